"""One consistent cut of the source: several sessions that see the same snapshot, with their tables locked.

TRUNCATE, REFRESH MATERIALIZED VIEW and some ALTERs do not obey snapshots: a transaction that began before them finds
the table empty, or new. So an ACCESS SHARE lock is held on every table *before* the snapshot exists, until the last
row is read. It stops no reader and no writer of rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.mapping.catalog import TableRef
from pipelines.source.arrow_session import ArrowError, ArrowSession, ArrowSessions
from pipelines.source.connect import connect, pin_statement
from pipelines.source.introspect import read_catalog
from pipelines.source.login import open_session
from pipelines.source.same_tables import Member, members, oids, require_same_tables
from pipelines.source.server_error import DEADLOCK, LOCK_NOT_AVAILABLE, describe
from pipelines.source.session_limits import milliseconds, session_limits

LOCK_TRY_SECONDS = 0.5
"""Under PostgreSQL's deadlock_timeout of a second: where a session has what we wait for and waits for what we have,
we give way before the server ends one of the two, which might be the application's."""

READER_LOCK_SECONDS = 0.02
"""A reader that must wait waits for somebody who waits for us: in vain, so not for long."""

PAUSE_SECONDS = 0.05

_NOTICE_DEATH = sql.SQL(
    "SELECT pg_catalog.set_config(name, '2s', false) FROM pg_catalog.pg_settings"
    " WHERE name = 'client_connection_check_interval'"
)
"""If we are killed, the server ends the query under way and frees the locks, from PostgreSQL 14 on."""


@dataclass(frozen=True)
class TableSize:
    """`pages` is exact for tables and 0 for what has none of its own; `rows` an estimate, None where there is none.

    `stored_pages` counts those of values that are too long for a row (TOAST) too.
    """

    pages: int
    stored_pages: int
    rows: int | None


@dataclass(frozen=True)
class Cut:
    """`coordinator` and `readers` (ADBC) see the same rows. `sizes` has the tables that are locked: those that exist.

    `coordinator` is for the thread that opened the cut, and for the catalogue alone: it holds no locks. Each reader
    is for one thread at a time. `holder` has the locks, and is for the cut itself.
    """

    coordinator: Connection[TupleRow]
    readers: tuple[ArrowSession, ...]
    sizes: dict[TableRef, TableSize]
    holder: Connection[TupleRow]
    oids: dict[TableRef, int]
    members: frozenset[Member]


class _BusyError(Exception):
    """A lock was not to be had, perhaps because who has it waits for one of ours."""


@dataclass(frozen=True)
class _Sessions:
    """Opened once; what they hold is given up between one try and the next."""

    holder: Connection[TupleRow]
    coordinator: Connection[TupleRow]
    readers: tuple[ArrowSession, ...]

    def release(self) -> None:
        try:
            for session in (self.holder, self.coordinator):
                session.rollback()
            for reader in self.readers:
                reader.rollback()
        except (psycopg.Error, ArrowError) as error:
            raise _failure(error.sqlstate, "the session") from None


@contextmanager
def consistent_cut(url: str, refs: Sequence[TableRef], readers: int) -> Iterator[Cut]:
    """Locks those of `refs` that exist, then takes the snapshot; in the end, unless there was an error, makes sure
    that every name still is the table that was locked. Raises SourceError, naming the table concerned."""
    with ExitStack() as stack:
        cut = _take_patiently(_open(url, readers, stack), refs)
        yield cut
        require_same_tables(cut.holder, cut.readers[0], cut.oids, cut.members)


def _open(url: str, readers: int, stack: ExitStack) -> _Sessions:
    """Before anything is locked: the longer from the first lock to the last, the likelier comes somebody between."""
    holder = stack.enter_context(closing(connect(url)))
    # Its statements see what is committed when they begin; a snapshot of its own would be older than its locks.
    holder.isolation_level = IsolationLevel.READ_COMMITTED
    coordinator = stack.enter_context(closing(connect(url)))
    for idle in (holder, coordinator):
        _set_idle(idle)
    opened = stack.enter_context(closing(_open_readers(url, readers)))
    return _Sessions(holder, coordinator, opened.all)


def _take_patiently(sessions: _Sessions, refs: Sequence[TableRef]) -> Cut:
    """Where a lock is not to be had, all are given up, so that who waits for one of ours can go on, and tried again.

    So it is with a TRUNCATE, too, that queues up between our locks and the readers': it waits for us, and the readers
    for it.
    """
    deadline = time.monotonic() + (session_limits().lock_seconds or math.inf)
    while True:
        try:
            return _take(sessions, refs)
        except _BusyError as busy:
            if time.monotonic() >= deadline:
                raise SourceError(str(busy)) from None
        sessions.release()
        time.sleep(PAUSE_SECONDS)


def _take(sessions: _Sessions, refs: Sequence[TableRef]) -> Cut:
    holder, coordinator = sessions.holder, sessions.coordinator
    existing = [table.ref for table in read_catalog(holder, refs).tables]
    for ref in existing:
        _execute(holder, _locking(ref), str(ref))
    exported = _execute(coordinator, sql.SQL("SELECT pg_catalog.pg_export_snapshot()"), "the snapshot")
    assert exported is not None
    for reader in sessions.readers:
        _join(reader, str(exported[0]), existing)
    locked = oids(holder, existing)
    sizes = {ref: _size(holder, ref) for ref in existing}
    return Cut(coordinator, sessions.readers, sizes, holder, locked, members(coordinator, locked))


def _set_idle(connection: Connection[TupleRow]) -> None:
    """These two sessions idle while the readers work."""
    lock_seconds = min(session_limits().lock_seconds or math.inf, LOCK_TRY_SECONDS)
    timeouts = f"SET lock_timeout = {milliseconds(lock_seconds)}; SET idle_in_transaction_session_timeout = 0"
    connection.autocommit = True
    _execute(connection, sql.SQL(timeouts), "the session")
    connection.autocommit = False


def _size(connection: Connection[TupleRow], ref: TableRef) -> TableSize:
    """Measured by the session that has the lock: pg_relation_size() takes one too."""
    size = sql.SQL(
        "SELECT pg_catalog.pg_relation_size(c.oid) / page, pg_catalog.pg_table_size(c.oid) / page, c.reltuples::int8"
        " FROM (SELECT pg_catalog.current_setting('block_size')::int8 AS page) AS setting,"
        " pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = {} AND c.relname = {}"
    ).format(sql.Literal(ref.schema_name), sql.Literal(ref.table))
    pages, stored, rows = _execute(connection, size, str(ref)) or (0, 0, -1)
    return TableSize(pages or 0, stored or 0, rows if rows > 0 else None)


def _locking(ref: TableRef) -> sql.Composed:
    """Reads nothing. Takes the lock that LOCK TABLE … IN ACCESS SHARE MODE takes, on what a view or a partitioned
    table reads too, and on materialised views and foreign tables, which LOCK refuses."""
    return sql.SQL("SELECT FROM {} LIMIT 0").format(sql.Identifier(ref.schema_name, ref.table))


def _execute(connection: Connection[TupleRow], statement: sql.SQL | sql.Composed, what: str) -> TupleRow | None:
    state: str | None = ""
    try:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None
    except psycopg.Error as error:
        state = error.sqlstate
    raise _failure(state, what)


def _open_readers(url: str, count: int) -> ArrowSessions:
    """Their settings are made in a transaction before the one that reads, which they need not delay."""
    readers = open_session(url, lambda conninfo: ArrowSessions(conninfo, count))
    patience = sql.SQL(f"SET lock_timeout = {milliseconds(READER_LOCK_SECONDS)}")
    never_ended = sql.SQL("SET idle_in_transaction_session_timeout = 0")
    try:
        for reader in readers.all:
            for setting in (pin_statement(), _NOTICE_DEATH, patience, never_ended):
                reader_execute(reader, setting, "the session")
            reader.commit()
    except BaseException:
        readers.close()
        raise
    return readers


def _join(reader: ArrowSession, snapshot: str, refs: Sequence[TableRef]) -> None:
    """The reader's transaction sees the exported snapshot; its own locks keep nobody waiting behind ours."""
    reader_execute(reader, sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"), "the session")
    reader_execute(reader, sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)), "the snapshot")
    for ref in refs:
        reader_execute(reader, _locking(ref), str(ref))


def reader_execute(reader: ArrowSession, statement: sql.SQL | sql.Composed, what: str) -> None:
    """Raises SourceError, `what` being the table's or the statement's name in it."""
    state: str | None = ""
    try:
        reader.execute(statement.as_string(None))
    except ArrowError as error:
        state = error.sqlstate
    if state != "":
        raise _failure(state, what)


def _failure(sqlstate: str | None, what: str) -> _BusyError | SourceError:
    message = f"source: {what}: {describe(sqlstate)}"
    return _BusyError(message) if sqlstate in (LOCK_NOT_AVAILABLE, DEADLOCK) else SourceError(message)
