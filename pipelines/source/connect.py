"""Connections to the source database: one session setting for all, and errors without the URL's password."""

from __future__ import annotations

import psycopg
from psycopg import Connection, IsolationLevel, sql
from psycopg import connect as open_connection
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.mapping.model import Mapping
from pipelines.settings import optional, required
from pipelines.source.address import source_address
from pipelines.source.login import open_session
from pipelines.source.server_error import describe
from pipelines.source.session_limits import session_limits

SESSION = (
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("xmloption", "content"),
    ("search_path", ""),
    ("client_encoding", "UTF8"),
    # A row-level security policy would silently hide rows; so it is an error.
    ("row_security", "off"),
)
"""What the text of a value depends on, and what a name may mean: the same in every session that reads rows."""


def source_url(mapping: Mapping) -> str:
    """The source's URL from the variable that the mapping names; a reference to a secret stays one. Raises UsageError
    where it is missing or no PostgreSQL URL."""
    name = mapping.source.url_env
    url = required(name, "the source database, postgresql://user:password@host:port/database")
    check_url(url, name)
    return url


def known_source_url(mapping: Mapping) -> str | None:
    """As `source_url`; None where the variable is not set."""
    return None if optional(mapping.source.url_env) is None else source_url(mapping)


def check_url(url: str, name: str = "the source's URL") -> None:
    """Raises UsageError, which never shows the URL."""
    source_address(url, name)


def identity(url: str) -> str:
    """`host:port/database` or `secretsmanager:name`: what may be shown, and what tells one source from another."""
    return source_address(url).identity


def connect(url: str) -> Connection[TupleRow]:
    """An open connection with the SESSION settings, for reading: its transactions are READ ONLY and REPEATABLE READ.

    Not in autocommit mode: the first statement begins a transaction. Raises SourceError (or UsageError for what is
    no URL) in one line, without user or password; also where the server is a standby or hides behind a pooler.
    """
    connection = open_session(url, lambda conninfo: open_connection(conninfo, autocommit=True))
    try:
        _set_up(connection, identity(url))
        connection.autocommit = False
        connection.read_only = True
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
    except BaseException:
        connection.close()
        raise
    return connection


def pin_statement() -> sql.Composed:
    """Sets SESSION and the time limits; one query, so a transaction that calls it has a snapshot from then on.

    Stronger than the role's and the database's settings, and than `options` in the URL.
    """
    calls = [
        sql.SQL("pg_catalog.set_config({}, {}, false)").format(sql.Literal(name), sql.Literal(value))
        for name, value in (*SESSION, *session_limits().settings())
    ]
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls))


def _set_up(connection: Connection[TupleRow], where: str) -> None:
    """What a pooler would share with other people's sessions is not set before it is known that there is none."""
    statement = pin_statement()
    failed = None
    try:
        _require_primary(connection, where)
        connection.execute(statement)
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    if failed is not None:
        raise SourceError(f"source {where}: the session could not be set up: {failed}")


def _require_primary(connection: Connection[TupleRow], where: str) -> None:
    """A pooler invents the process number that it tells its clients. A standby replays a TRUNCATE whatever locks are
    held there, and its snapshots need not be supersets of earlier ones."""
    row = connection.execute("SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery()").fetchone()
    backend, standby = row or (None, None)
    if backend != connection.info.backend_pid:
        raise SourceError(
            f"source {where}: a pooler (PgBouncer, RDS Proxy) stands before the database and would give our session's "
            "settings to others; connect to the database itself"
        )
    if standby:
        raise SourceError(
            f"source {where}: this is a standby (read replica); a snapshot must be read from the primary: "
            "give the primary's host (RDS: the instance's own endpoint, Aurora: the cluster's writer endpoint)"
        )
