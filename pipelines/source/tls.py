"""Whether and how the server's certificate is checked (PostgreSQL, 32.19: SSL support)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pipelines.errors import UsageError

VERIFY_FULL = "verify-full"
SYSTEM = "system"

_RDS_DOMAINS = (".rds.amazonaws.com", ".rds.amazonaws.com.cn")
_OWN_ROOTS = Path(".postgresql") / "root.crt"
_SYSTEM_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat, Amazon Linux
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)


def is_rds(host: str) -> bool:
    return host.lower().rstrip(".").endswith(_RDS_DOMAINS)


def with_tls(
    parameters: Mapping[str, str], *, iam: bool, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """libpq's parameters with `sslmode` and `sslrootcert` settled, so that both drivers check alike.

    A host of RDS and IAM authentication mean verify-full unless the URL (or PGSSLMODE, not for IAM) says otherwise:
    libpq's own default takes any certificate, and plain text too. Raises UsageError.
    """
    settled = dict(parameters)
    mode = parameters.get("sslmode") or (None if iam else environment.get("PGSSLMODE"))
    roots = parameters.get("sslrootcert") or environment.get("PGSSLROOTCERT")
    if not mode and (iam or roots == SYSTEM or any(map(is_rds, parameters.get("host", "").split(",")))):
        mode = settled["sslmode"] = VERIFY_FULL
    if mode in (VERIFY_FULL, "verify-ca"):
        settled["sslrootcert"] = _roots(mode, roots, environment)
    return settled


def _roots(mode: str, named: str | None, environment: Mapping[str, str]) -> str:
    """The file of certificate authorities. The drivers bring an OpenSSL each, which do not know where this machine
    keeps its own, so `system` is looked up here."""
    if named == SYSTEM:
        if mode != VERIFY_FULL:
            raise UsageError(f"the source's sslrootcert=system needs sslmode=verify-full, not {mode}")
        return _system_roots(environment)
    file = Path(named).expanduser() if named else Path(environment.get("HOME") or "~").expanduser() / _OWN_ROOTS
    if file.is_file() and os.access(file, os.R_OK):
        return str(file)
    if named:
        raise UsageError(f"the source's sslrootcert={named}: there is no such file that can be read")
    raise UsageError(
        f"the source's certificate is to be checked ({mode}), but against whose? Add sslrootcert=FILE to its URL "
        "(RDS: the bundle global-bundle.pem, which AWS publishes; sslrootcert=system: this machine's own authorities)"
    )


def _system_roots(environment: Mapping[str, str]) -> str:
    for file in (environment.get("SSL_CERT_FILE"), *_SYSTEM_ROOTS):
        if file and Path(file).is_file():
            return file
    raise UsageError(
        "the source's sslrootcert=system: no file of certificate authorities is found on this machine; name one"
    )
