"""One consistent cut of the source: several sessions that see the same snapshot, with their tables locked.

TRUNCATE, REFRESH MATERIALIZED VIEW and some ALTERs do not obey snapshots: a transaction that began before them finds
the table empty, or new. So an ACCESS SHARE lock is held on every table *before* the snapshot exists, until the last
row is read. It stops no reader and no writer of rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import adbc_driver_postgresql.dbapi as adbc
import psycopg
from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.mapping.catalog import TableRef
from pipelines.source.connect import connect, connection_string, describe, identity, pin_statement
from pipelines.source.introspect import read_catalog

LOCK_SECONDS = 10
READER_LOCK_SECONDS = 1
TRIES = 5

_NOTICE_DEATH = sql.SQL(
    "SELECT pg_catalog.set_config(name, '2s', false) FROM pg_catalog.pg_settings"
    " WHERE name = 'client_connection_check_interval'"
)
"""If we are killed, the server ends the query under way and frees the locks, from PostgreSQL 14 on."""


@dataclass(frozen=True)
class TableSize:
    """`pages` is exact for tables and 0 for what has none of its own; `rows` an estimate, None where there is none."""

    pages: int
    rows: int | None


@dataclass(frozen=True)
class Cut:
    """`coordinator` and `readers` (ADBC) see the same rows. `sizes` has the tables that are locked: those that exist.

    `coordinator` is for the thread that opened the cut, and for the catalogue alone: it holds no locks. Each reader
    is for one thread at a time.
    """

    coordinator: Connection[TupleRow]
    readers: tuple[adbc.Connection, ...]
    sizes: dict[TableRef, TableSize]


class _BusyError(Exception):
    """A reader was kept waiting by a session that itself waits for the locks we hold."""


@contextmanager
def consistent_cut(url: str, refs: Sequence[TableRef], readers: int) -> Iterator[Cut]:
    """Locks those of `refs` that exist, then opens the sessions. Raises SourceError, naming the table concerned."""
    with ExitStack() as stack:
        yield _open_patiently(url, refs, readers, stack)


def _open_patiently(url: str, refs: Sequence[TableRef], readers: int, stack: ExitStack) -> Cut:
    """A TRUNCATE that queues up between our locks and the readers' would wait for us, and the readers for it: then
    all is given up, so that it can go on, and tried again."""
    for attempt in range(1, TRIES + 1):
        with ExitStack() as sessions:
            try:
                cut = _open(url, refs, readers, sessions)
            except _BusyError as busy:
                if attempt == TRIES:
                    raise SourceError(str(busy)) from None
            else:
                stack.push(sessions.pop_all())
                return cut
        time.sleep(0.2 * attempt)
    raise AssertionError("unreachable")


def _open(url: str, refs: Sequence[TableRef], readers: int, sessions: ExitStack) -> Cut:
    holder = sessions.enter_context(closing(connect(url)))
    # Its statements see what is committed when they begin; a snapshot of its own would be older than its locks.
    holder.isolation_level = IsolationLevel.READ_COMMITTED
    _never_idle_out(holder)
    sizes = {table.ref: _lock(holder, table.ref) for table in read_catalog(holder, refs).tables}
    coordinator = sessions.enter_context(closing(connect(url)))
    _never_idle_out(coordinator)
    exported = _execute(coordinator, sql.SQL("SELECT pg_catalog.pg_export_snapshot()"), "the snapshot")
    assert exported is not None
    opened = []
    for _ in range(readers):
        reader = sessions.enter_context(closing(_connect_reader(url)))
        _join(reader, str(exported[0]), list(sizes))
        opened.append(reader)
    return Cut(coordinator, tuple(opened), sizes)


def _never_idle_out(connection: Connection[TupleRow]) -> None:
    """These two sessions idle while the readers work."""
    timeouts = f"SET lock_timeout = {LOCK_SECONDS * 1000}; SET idle_in_transaction_session_timeout = 0"
    connection.autocommit = True
    _execute(connection, sql.SQL(timeouts), "the session")
    connection.autocommit = False


def _lock(connection: Connection[TupleRow], ref: TableRef) -> TableSize:
    """Measured by the session that has the lock: pg_relation_size() takes one too."""
    _execute(connection, _locking(ref), str(ref))
    size = sql.SQL(
        "SELECT pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8, c.reltuples::int8"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = {} AND c.relname = {}"
    ).format(sql.Literal(ref.schema_name), sql.Literal(ref.table))
    pages, rows = _execute(connection, size, str(ref)) or (0, -1)
    return TableSize(pages or 0, rows if rows > 0 else None)


def _locking(ref: TableRef) -> sql.Composed:
    """Reads nothing. Takes the lock that LOCK TABLE … IN ACCESS SHARE MODE takes, on what a view or a partitioned
    table reads too, and on materialised views and foreign tables, which LOCK refuses."""
    return sql.SQL("SELECT FROM {} LIMIT 0").format(sql.Identifier(ref.schema_name, ref.table))


def _execute(connection: Connection[TupleRow], statement: sql.SQL | sql.Composed, what: str) -> TupleRow | None:
    failed = None
    try:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"source: {what}: {failed}")


def _connect_reader(url: str) -> adbc.Connection:
    failed = False
    try:
        return adbc.connect(connection_string(url), autocommit=False)
    except adbc.Error:
        failed = True
    assert failed
    raise SourceError(f"source {identity(url)}: a second connection was refused; raise max_connections or close some")


def _join(reader: adbc.Connection, snapshot: str, refs: Sequence[TableRef]) -> None:
    """The reader's transaction sees the exported snapshot; its own locks keep nobody waiting behind ours."""
    reader_execute(reader, sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"), "the session")
    reader_execute(reader, sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)), "the snapshot")
    reader_execute(reader, sql.SQL(f"SET lock_timeout = {READER_LOCK_SECONDS * 1000}"), "the session")
    reader_execute(reader, pin_statement(), "the session")
    reader_execute(reader, _NOTICE_DEATH, "the session")
    for ref in refs:
        reader_execute(reader, _locking(ref), str(ref))
    reader_execute(reader, sql.SQL("SET idle_in_transaction_session_timeout = 0"), "the session")


def reader_execute(reader: adbc.Connection, statement: sql.SQL | sql.Composed, what: str) -> None:
    """Raises SourceError, `what` being the table's or the statement's name in it."""
    state: str | None = ""
    try:
        with reader.cursor() as cursor:
            cursor.execute(statement.as_string(None))
    except adbc.Error as error:
        state = error.sqlstate
    if state == "55P03":
        raise _BusyError(f"source: {what}: {describe(state)}")
    if state != "":
        raise SourceError(f"source: {what}: {describe(state)}")
