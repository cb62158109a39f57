"""From a source's URL to an open connection, by whichever driver: the password is had at this moment, anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import sleep
from typing import TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from pipelines.errors import SourceError
from pipelines.source.address import SourceAddress, source_address
from pipelines.source.arrow_session import ArrowError
from pipelines.source.tls import with_tls

CONNECT_SECONDS = 10
ROTATION_PAUSES = (0.0, 1.0, 3.0)
"""Seconds before a refused secret is read again. A rotation changes the password in the database first and makes it
the secret's current one some moments later."""

_DEFAULTS = {
    "connect_timeout": str(CONNECT_SECONDS),
    "application_name": "crossover",
    # A host that is gone says nothing: it is noticed within about a minute, while we wait for rows and while we send.
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}

Opened = TypeVar("Opened")


@dataclass(frozen=True)
class Login:
    """libpq's parameters, complete, password included."""

    parameters: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def password(self) -> str | None:
        return dict(self.parameters).get("password")

    @property
    def conninfo(self) -> str:
        """Libpq's form, with our name, and with limits to waiting where the URL sets none."""
        return make_conninfo(**{**_DEFAULTS, **dict(self.parameters), "client_encoding": "UTF8"})


def login(url: str) -> Login:
    """Reads the secret, or makes the token, where the URL refers to one. Raises UsageError or SourceError."""
    address = source_address(url)
    parameters = dict(address.parameters)
    if address.secret is not None:
        parameters = _from_secret(address, address.secret)
    parameters = with_tls(parameters, iam=address.iam)
    if address.iam:
        from pipelines.source.aws_login import iam_token  # botocore takes a while, and is for these two alone

        host, port, user = parameters["host"], int(parameters.get("port") or 5432), parameters["user"]
        parameters["password"] = iam_token(host, port, user, address.region)
    return Login(tuple(parameters.items()))


def open_session(url: str, driver: Callable[[str], Opened]) -> Opened:
    """What `driver` makes of libpq's connection string. Raises SourceError in one line, without user or password."""
    address = source_address(url)
    pauses = iter(ROTATION_PAUSES if address.secret is not None else ())
    while True:
        attempt = login(url)
        failure = ""
        try:
            return driver(attempt.conninfo)
        except (psycopg.Error, ArrowError, OSError) as error:
            failure = str(error)
        pause = next(pauses, None) if "authentication failed" in failure else None
        if pause is None:
            # Outside of the handler: the driver's error stays out of the chain.
            raise SourceError(
                f"source {address.identity}: {_reason(failure, attempt.password)}{_hint(attempt, address, failure)}"
            )
        sleep(pause)


def _from_secret(address: SourceAddress, secret: str) -> dict[str, str]:
    """What the URL says stands; the rest is the secret's."""
    from pipelines.source.aws_login import secret_login

    found = secret_login(secret, address.region)
    offered = {"user": found.username, "host": found.host, "port": found.port, "dbname": found.dbname}
    parameters = {name: value for name, value in offered.items() if value is not None}
    parameters |= dict(address.parameters)
    for needed in ("host", "user", "dbname"):
        if needed not in parameters:
            what = {"user": "username"}.get(needed, needed)
            raise SourceError(
                f"secret {secret}: its JSON has no {what}, and the source's URL gives none: "
                f"write postgresql://host:port/database?secret={secret}"
            )
    return {**parameters, "password": found.password}


def _reason(failure: str, password: str | None) -> str:
    """The driver's words in one line; of several attempts the last one's."""
    text = failure.strip().rpartition(" failed: ")[2]
    line = " ".join(text.replace("FATAL:", "").split())
    if password and password in line:
        return "cannot connect"
    return f"cannot connect: {line}"


def _hint(attempt: Login, address: SourceAddress, failure: str) -> str:
    if "certificate verify failed" in failure:
        roots = dict(attempt.parameters).get("sslrootcert")
        return f": it has expired, or none of the authorities in {roots} has signed it"
    if "too many" in failure or "connection slots" in failure:
        return "; raise max_connections or close some sessions"
    if address.iam and "authentication failed" in failure:
        return "; the user needs GRANT rds_iam, and the AWS identity rds-db:connect for that user"
    return ""
