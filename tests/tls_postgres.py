"""A PostgreSQL that speaks TLS, with certificates made on the spot: Debian's, for the embedded one knows no TLS."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipelines.source import embedded
from pipelines.source.embedded import EmbeddedPostgres

REQUIRED = "CROSSOVER_REQUIRE_TLS_POSTGRES"


class Authority:
    """Signs certificates; its own is at `file`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        builder = self._builder(self._name, self._key.public_key(), days=30)
        own = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, host: str, days: int = 30) -> tuple[bytes, bytes]:
        """Certificate and key for a host name and 127.0.0.1's own; with `days` below 0 it is expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ip_address("127.0.0.1")))
        builder = self._builder(name, key.public_key(), days)
        certificate = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return (
            certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
        )


@dataclass(frozen=True)
class TlsServer:
    """`url` without any word about TLS; host `localhost`."""

    url: str
    cluster: Path
    authority: Authority
    stranger: Authority

    def present(self, authority: Authority, host: str, days: int = 30) -> None:
        """From now on the server shows this certificate to those who connect."""
        for name, content in zip(("server.crt", "server.key"), authority.issue(host, days), strict=True):
            _write(self.cluster / name, content)
        self._reload("on")

    def refuse_tls(self) -> None:
        self._reload("off")

    def _reload(self, ssl: str) -> None:
        with closing(psycopg.connect(self.url, sslmode="prefer", autocommit=True)) as connection:
            loaded = connection.execute("SELECT pg_conf_load_time()").fetchone()
            connection.execute(f"ALTER SYSTEM SET ssl = {ssl}".encode())
            connection.execute("SELECT pg_reload_conf()")
            while connection.execute("SELECT pg_conf_load_time()").fetchone() == loaded:
                time.sleep(0.02)


def debian_binaries() -> Path:
    """Skips where there are none, unless CI says that there must be."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but no PostgreSQL is installed under /usr/lib/postgresql")
        pytest.skip("needs a PostgreSQL with TLS under /usr/lib/postgresql (apt-get install postgresql)")
    return found[-1].parent


@contextmanager
def tls_postgres(folder: Path) -> Iterator[TlsServer]:
    programs = debian_binaries()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "binaries", lambda: programs)
        with EmbeddedPostgres(folder / "tls", durable=False) as server:
            url = re.sub("@127.0.0.1:", "@localhost:", server.url)
            made = TlsServer(url, folder / "tls" / "cluster", Authority(folder, "ours"), Authority(folder, "stranger"))
            made.present(made.authority, "localhost")
            yield made


def _write(path: Path, content: bytes) -> None:
    """Readable by the server's user only; PostgreSQL refuses a key that others can read."""
    owner = path.parent.stat()
    path.write_bytes(content)
    path.chmod(0o600)
    os.chown(path, owner.st_uid, owner.st_gid)
