"""Connections to the source database: one session setting for all, and errors without the URL's password."""

from __future__ import annotations

import psycopg
from psycopg import Connection, IsolationLevel, errors, sql
from psycopg import connect as open_connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from pipelines.errors import SourceError, UsageError
from pipelines.mapping.model import Mapping
from pipelines.settings import required

SCHEMES = ("postgresql://", "postgres://")
CONNECT_SECONDS = 10

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
    """The source's URL from the variable that the mapping names. Raises UsageError where it is missing or no
    PostgreSQL URL."""
    name = mapping.source.url_env
    url = required(name, "the source database, postgresql://user:password@host:port/database")
    check_url(url, name)
    return url


def check_url(url: str, name: str = "the source's URL") -> None:
    """Raises UsageError, which never shows the URL."""
    if url.startswith(("mysql://", "mysql+", "mariadb://")):
        raise UsageError(f"{name}: MySQL is not supported yet; the source must be PostgreSQL (postgresql://…)")
    if not url.startswith(SCHEMES) or _parameters(url) is None:
        raise UsageError(
            f"{name} is not a PostgreSQL URL: write postgresql://user:password@host:port/database, "
            "special characters of the password percent-encoded"
        )


def identity(url: str) -> str:
    """`host:port/database`: what may be shown, and what tells one source from another."""
    check_url(url)
    parameters = _parameters(url) or {}
    host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
    database = parameters.get("dbname") or parameters.get("user") or ""
    return f"{f'[{host}]' if ':' in str(host) else host}:{parameters.get('port') or 5432}/{database}"


def connect(url: str) -> Connection[TupleRow]:
    """An open connection with the SESSION settings, for reading: its transactions are READ ONLY and REPEATABLE READ.

    Not in autocommit mode: the first statement begins a transaction. Raises SourceError (or UsageError for what is
    no URL) in one line, without user or password.
    """
    where = identity(url)
    failure = ""
    try:
        connection = open_connection(connection_string(url), autocommit=True)
    except (psycopg.Error, OSError) as error:
        failure = str(error)
    if failure:
        # Outside of the handler: the driver's error stays out of the chain.
        raise SourceError(f"source {where}: {_reason(failure, url)}")
    try:
        _pin(connection, where)
        connection.autocommit = False
        connection.read_only = True
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
    except BaseException:
        connection.close()
        raise
    return connection


def connection_string(url: str) -> str:
    """libpq's form of the URL, with our name, and with a limit to waiting where the URL sets none."""
    parameters = {key: str(value) for key, value in (_parameters(url) or {}).items() if value is not None}
    defaults = {"connect_timeout": str(CONNECT_SECONDS), "application_name": "crossover"}
    return make_conninfo(**{**defaults, **parameters, "client_encoding": "UTF8"})


def pin_statement() -> sql.Composed:
    """Sets SESSION; one query, so a transaction that calls it has a snapshot from then on."""
    calls = [
        sql.SQL("pg_catalog.set_config({}, {}, false)").format(sql.Literal(name), sql.Literal(value))
        for name, value in SESSION
    ]
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls))


def _pin(connection: Connection[TupleRow], where: str) -> None:
    failed = None
    try:
        connection.execute(pin_statement())
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    if failed is not None:
        raise SourceError(f"source {where}: the session could not be set up: {failed}")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding == "SQL_ASCII":
        raise SourceError(
            f"source {where}: its encoding is SQL_ASCII, which says nothing of its texts; not supported yet"
        )


def describe(sqlstate: str | None) -> str:
    """What an error of the server means for the user. Never its own text: that may show a row's value."""
    match sqlstate:
        case None | "57P01" | "57P02" | "57P03":
            return "the connection was lost"
        case "42501":
            return "permission denied: GRANT USAGE on the schema and SELECT (and BYPASSRLS where rows have a policy)"
        case "55P03":
            return "a lock could not be had in time: another session changes or truncates it; try again"
        case "57014":
            return "cancelled by statement_timeout or by an administrator; raise statement_timeout for this user"
        case "40P01":
            return "a deadlock with another session; try again"
        case "53100":
            return "the database server's disk is full"
        case "42P01" | "3F000" | "42703":
            return "it does not exist any more, or has changed"
        case _ if sqlstate.startswith("08"):
            return "the connection was lost"
    try:
        return f"PostgreSQL's error {sqlstate} ({errors.lookup(sqlstate).__name__})"
    except KeyError:
        return f"PostgreSQL's error {sqlstate}"


def _parameters(url: str) -> dict[str, str | int | None] | None:
    """None where libpq cannot read it; libpq's own message would show the password."""
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.Error:
        return None


def _reason(failure: str, url: str) -> str:
    """The driver's words in one line; of several attempts the last one's."""
    text = failure.strip().rpartition(" failed: ")[2]
    line = " ".join(text.replace("FATAL:", "").split())
    password = (_parameters(url) or {}).get("password")
    if password and str(password) in line:
        return "cannot connect"
    return f"cannot connect: {line}"
