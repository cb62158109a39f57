"""Sweep (rule 10): takes away tombstones that hold back nothing any more.

A tombstone is swept once the longest lease and an hour have passed since it was written: whoever held an older item
of its key then cannot send it any more, and what was under way has arrived. Backfills of older snapshots would: they
and sweeps exclude each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.deliver.deliverer import LONGEST_LEASE_SECONDS
from pipelines.items.record import WRITTEN_ATTRIBUTE
from pipelines.progress import Progress
from pipelines.source.ledger.backfills import begin_sweep
from pipelines.source.ledger.session import LedgerSession
from pipelines.target.record import target_record
from pipelines.target.scan import Scanner, WireItem
from pipelines.target.tombstones import Tombstones

WAIT_SECONDS = 2 * LONGEST_LEASE_SECONDS + 3600
"""A tombstone's time is that of its reading, which a whole lease may separate from its writing."""


@dataclass(frozen=True)
class Swept:
    """Tombstones: `removed`; `young`: those that have to wait; `raced`: replaced while we came."""

    removed: int = 0
    young: int = 0
    raced: int = 0

    def __add__(self, other: Swept) -> Swept:
        return Swept(self.removed + other.removed, self.young + other.young, self.raced + other.raced)


def sweep(
    session: LedgerSession,
    tables: Mapping[str, tuple[str, ...]],
    scanner: Scanner,
    tombstones: Tombstones,
    progress: Progress,
    wait_seconds: float = WAIT_SECONDS,
) -> Swept:
    """`tables`: each one's key attributes. Raises StageError while a backfill is open, SourceError, TargetError; it can
    be run again."""
    before = begin_sweep(session, wait_seconds)
    total = Swept()
    for table, key_names in tables.items():
        for page in scanner.pages(table, 0, 1):
            progress.advance(len(page))
            for item in page:
                total += _sweep_one(tombstones, table, key_names, item, before)
    return total


def _sweep_one(tombstones: Tombstones, table: str, key_names: tuple[str, ...], item: WireItem, before: int) -> Swept:
    record = target_record(item, key_names)
    if not record.is_tombstone or record.version is None:
        return Swept()
    if _written_at(item) > before:
        return Swept(young=1)
    removed = tombstones.remove(table, {name: item[name] for name in key_names}, record.version)
    return Swept(removed=removed, raced=not removed)


def _written_at(item: WireItem) -> int:
    """A tombstone without a time is never old enough."""
    text = item.get(WRITTEN_ATTRIBUTE, {}).get("N", "")
    return int(text) if text.isdecimal() else 2**63
