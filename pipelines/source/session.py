"""Short transactions on the source that hold locks with patience.

Who locks several tables of the application holds the first ones while it waits for the next. A TRUNCATE of two of them
could so deadlock with us, and be the victim. So a wait ends before PostgreSQL looks for deadlocks (deadlock_timeout,
1 s; PostgreSQL, 19.12), all locks are let go, and the same is tried again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.steps import PAUSE_SECONDS, TRY_MILLISECONDS
from pipelines.source.server_error import described
from pipelines.source.session_limits import session_limits


@dataclass(frozen=True)
class SourceSession:
    """`connection`: of `connect_writable`, for one thread. The source need not have a ledger."""

    connection: Connection[TupleRow]

    @contextmanager
    def snapshot(self, tables: Sequence[TableRef]) -> Iterator[Connection[TupleRow]]:
        """A REPEATABLE READ transaction; `tables` are locked before its snapshot exists, since TRUNCATE does not obey
        snapshots (PostgreSQL, 13.6). Raises SourceError."""
        with self._transaction(IsolationLevel.REPEATABLE_READ, tables) as connection:
            yield connection

    @contextmanager
    def looking_into(self, tables: Sequence[TableRef]) -> Iterator[Connection[TupleRow]]:
        """A READ COMMITTED transaction that has locked the tables as a SELECT does. Raises SourceError."""
        with self._transaction(IsolationLevel.READ_COMMITTED, tables) as connection:
            yield connection

    @property
    def _what(self) -> str:
        return "the source"

    @contextmanager
    def _transaction(self, level: IsolationLevel, tables: Sequence[TableRef] = ()) -> Iterator[Connection[TupleRow]]:
        failed = None
        try:
            with self._at(level), self._locking(tables):
                yield self.connection
        except psycopg.Error as error:
            failed = described(error)
        if failed is not None:
            raise SourceError(f"{self._what}: {failed}; run it again to go on")

    @contextmanager
    def _locking(self, tables: Sequence[TableRef]) -> Iterator[None]:
        limit = session_limits().lock_seconds
        deadline = time.monotonic() + limit if limit else None
        while True:
            with self.connection.transaction() as attempt:
                if not tables or self._has_locked(tables, deadline):
                    yield
                    return
                raise psycopg.Rollback(attempt)
            time.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311 - no secret

    def _has_locked(self, tables: Sequence[TableRef], deadline: float | None) -> bool:
        names = sql.SQL(", ").join([sql.Identifier(ref.schema_name, ref.table) for ref in tables])
        self.connection.execute(f"SET LOCAL lock_timeout TO {TRY_MILLISECONDS}".encode())
        try:
            self.connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
        except psycopg.errors.LockNotAvailable:
            if deadline is not None and time.monotonic() > deadline:
                raise
            return False
        return True

    @contextmanager
    def _at(self, level: IsolationLevel) -> Iterator[None]:
        """READ COMMITTED again afterwards: others who use the connection count on it."""
        self.connection.isolation_level = level
        try:
            yield
        finally:
            if not self.connection.closed:
                self.connection.isolation_level = IsolationLevel.READ_COMMITTED
