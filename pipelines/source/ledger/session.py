"""A relay's session with the ledger: short transactions that write it, and snapshots that read it with the rows.

Both look at the control row first: another mapping, another epoch or capture that is off ends the session.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import TupleRow

from pipelines.errors import StageError
from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.names import CONTROL
from pipelines.source.ledger.version import first_version
from pipelines.source.session import SourceSession


@dataclass(frozen=True)
class LedgerSession(SourceSession):
    """`connection`: of `connect_writable`, for one thread."""

    migration: str
    epoch: int
    mapping_hash: str

    @property
    def first_version(self) -> int:
        return first_version(self.epoch)

    @contextmanager
    def writing(self, alone: bool = False, unless_paused: bool = False) -> Iterator[Connection[TupleRow]]:
        """A READ COMMITTED transaction in which the epoch cannot end; `alone`: there is no other one meanwhile.

        Raises StageError, also where deliveries are paused and it is only for them; SourceError; then nothing is
        changed.
        """
        with self._transaction(IsolationLevel.READ_COMMITTED) as connection:
            self._require_unchanged(sql.SQL(" FOR UPDATE" if alone else " FOR SHARE"), unless_paused)
            yield connection

    @contextmanager
    def snapshot(self, tables: Sequence[TableRef]) -> Iterator[Connection[TupleRow]]:
        """As of any session. Raises StageError, SourceError."""
        with super().snapshot(tables) as connection:
            self._require_unchanged(sql.SQL(""))
            yield connection

    @property
    def _what(self) -> str:
        return f"the ledger of {self.migration}"

    def _require_unchanged(self, lock: sql.SQL, unless_paused: bool = False) -> None:
        query = sql.SQL("SELECT epoch, mapping_hash, capture, phase, paused FROM {} WHERE migration = %s{}")
        found = self.connection.execute(query.format(CONTROL, lock), (self.migration,)).fetchone()
        if found is None or found[2] != "on":
            raise StageError(f"capture of {self.migration} is not on; run `crossover capture … install`")
        if found[0] != self.epoch:
            raise StageError(f"epoch {found[0]} of {self.migration} has begun, this is {self.epoch}; run it again")
        if found[1] != self.mapping_hash:
            raise StageError(f"{self.migration} is captured for another mapping; run `crossover capture … upgrade`")
        if found[3] != "source":
            raise StageError(f"{self.migration}: DynamoDB is the master; nothing is delivered to it")
        if unless_paused and found[4]:
            raise StageError(f"deliveries of {self.migration} are paused; run `crossover relay … --resume`")
