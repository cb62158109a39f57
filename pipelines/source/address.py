"""A source's URL taken apart. It may name where the password comes from instead of having one:

    postgresql://user:password@host:5432/shop
    postgresql://user@host:5432/shop?auth=iam[&region=…]          a token of RDS's IAM authentication
    postgresql://host:5432/shop?secret=<name or ARN>[&region=…]   user and password from AWS Secrets Manager
    secretsmanager:<name or ARN>[?region=…&sslrootcert=…]         host, port and database from there too

The URL itself is what travels: what it refers to is read only where a connection is opened, and never kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import parse_qsl

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from pipelines.errors import UsageError

SCHEMES = ("postgresql://", "postgres://")
SECRETS_MANAGER = "secretsmanager:"

_OURS = ("auth", "secret", "region")


@dataclass(frozen=True)
class SourceAddress:
    """`parameters` are libpq's (PostgreSQL, 32.1.2), as the URL gives them; `secret` names one of Secrets Manager."""

    parameters: tuple[tuple[str, str], ...] = field(repr=False)
    iam: bool = False
    secret: str | None = None
    region: str | None = None
    name: str = "the source's URL"

    def get(self, parameter: str) -> str | None:
        return dict(self.parameters).get(parameter)

    @property
    def identity(self) -> str:
        """`host:port/database`, or the secret that has them; no user, no password."""
        host = self.get("host") or self.get("hostaddr")
        if self.secret is not None and host is None:
            return f"{SECRETS_MANAGER}{self.secret}"
        host = host or "localhost"
        database = self.get("dbname") or self.get("user") or ""
        return f"{f'[{host}]' if ':' in host else host}:{self.get('port') or 5432}/{database}"


def source_address(url: str, name: str = "the source's URL") -> SourceAddress:
    """Raises UsageError, which calls the URL by `name` and never shows it."""
    if url.startswith(("mysql://", "mysql+", "mariadb://")):
        raise UsageError(f"{name}: MySQL is not supported yet; the source must be PostgreSQL (postgresql://…)")
    address = _secret_address(url, name) if url.startswith(SECRETS_MANAGER) else _postgres_address(url, name)
    if address is None:
        raise UsageError(
            f"{name} is not a PostgreSQL URL: write postgresql://user:password@host:port/database, "
            f"special characters of the password and of parameters percent-encoded{_meant(url)}"
        )
    _check(address)
    return address


def _meant(url: str) -> str:
    """libpq's name for a parameter that is nearly one. What stands in the URL may be a password, and is not shown."""
    known = {option.keyword.decode() for option in Conninfo.get_defaults()} | set(_OURS)
    for pair in url.partition("?")[2].split("&"):
        given = pair.partition("=")[0]
        close = [] if given in known else get_close_matches(given, known, n=1, cutoff=0.8)
        if close:
            return f"; is `{close[0]}=` meant for one of its parameters?"
    return ""


def _postgres_address(url: str, name: str) -> SourceAddress | None:
    if not url.startswith(SCHEMES):
        return None
    base, query = _before_and_after_question_mark(url)
    pairs = query.split("&") if query else []
    ours = [pair for pair in pairs if pair.partition("=")[0] in _OURS]
    libpqs = "&".join(pair for pair in pairs if pair not in ours)
    return _address((f"{base}?{libpqs}" if libpqs else base) if ours else url, "&".join(ours), name)


def _before_and_after_question_mark(url: str) -> tuple[str, str]:
    """A `?` in the password is libpq's to allow."""
    authority = url.index("//") + 2
    end = url.find("/", authority)
    user = url.find("@", authority, len(url) if end < 0 else end)
    mark = url.find("?", max(user, authority))
    return (url, "") if mark < 0 else (url[:mark], url[mark + 1 :])


def _secret_address(url: str, name: str) -> SourceAddress | None:
    secret, _, query = url.removeprefix(SECRETS_MANAGER).partition("?")
    pairs = [pair for pair in query.split("&") if pair]
    ours = [pair for pair in pairs if pair.partition("=")[0] == "region"]
    libpqs = "&".join(pair for pair in pairs if pair not in ours)
    return _address(f"postgresql://?{libpqs}", "&".join([f"secret={secret}", *ours]), name)


def _address(libpq_url: str, our_query: str, name: str) -> SourceAddress | None:
    """None where libpq cannot read the URL; libpq's own message would show the password."""
    try:
        parameters = conninfo_to_dict(libpq_url)
    except psycopg.Error:
        return None
    ours = dict(parse_qsl(our_query, keep_blank_values=True))
    if ours.get("auth", "iam") != "iam":
        raise UsageError(f"{name}: auth={ours['auth']} is not known; there is auth=iam, or leave it out")
    return SourceAddress(
        parameters=tuple((key, str(value)) for key, value in parameters.items() if value is not None),
        iam="auth" in ours,
        secret=ours.get("secret"),
        region=ours.get("region") or None,
        name=name,
    )


def _check(address: SourceAddress) -> None:
    """Every rule of the forms above; the first that is broken."""
    refused = None
    if address.secret is not None and not address.secret.strip():
        refused = "names no secret: give its name or its ARN"
    elif address.iam and address.secret is not None:
        refused = "has both auth=iam and a secret; the password can come from one of them only"
    elif (address.iam or address.secret is not None) and address.get("password"):
        refused = f"has a password beside {'auth=iam' if address.iam else 'a secret'}; leave it out"
    elif address.iam and not (address.get("host") and address.get("user")):
        refused = "with auth=iam needs the user and the host: postgresql://user@host:port/database?auth=iam"
    elif address.iam and address.get("sslmode") not in (None, "verify-full"):
        refused = f"with auth=iam needs sslmode=verify-full, not {address.get('sslmode')}: a token is a password"
    elif address.region and not (address.iam or address.secret is not None):
        refused = "has a region, which only auth=iam and secrets have"
    if refused is not None:
        raise UsageError(f"{address.name} {refused}")
