"""What a snapshot takes of the source, whether from the running database or from an RDS export."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.mapping.catalog import Catalog, Table
from pipelines.progress import Progress
from pipelines.source.ledger_part import Uncaptured
from pipelines.warehouse.manifest import LedgerSeen, TableCounts

NOT_ASKED = Uncaptured("the ledger was not asked for")

ColumnsOf = Callable[[Catalog], dict[Table, tuple[str, ...]]]
"""The columns to take of each table of a catalogue."""


@dataclass(frozen=True)
class Taken:
    """`columns` and `tables` per "schema.table"; `ledger` as the cut saw it."""

    catalog: Catalog
    columns: dict[str, tuple[str, ...]]
    tables: dict[str, TableCounts]
    ledger: LedgerSeen | Uncaptured = NOT_ASKED


class StoppedError(Exception):
    """Another thread failed, or the user interrupted."""


class RowsTaken:
    """Shown as `progress`, told by several threads, of which the first that fails stops the others."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._one_at_a_time = threading.Lock()
        self._stopped = threading.Event()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def add(self, rows: int) -> None:
        """Raises StoppedError where it was stopped."""
        if self.is_stopped:
            raise StoppedError
        with self._one_at_a_time:
            self._progress.advance(rows)

    def stop(self) -> None:
        self._stopped.set()
