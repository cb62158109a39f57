"""A backfill beside relays: begun and ended in the ledger, and its refused puts judged by it (rules 7, 8d and 10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pipelines.backfill.refused import RefusedPuts
from pipelines.deliver.opened import OpenedLedger, opened_ledger
from pipelines.errors import StageError
from pipelines.migration import Migration
from pipelines.source.connect import source_url
from pipelines.source.ledger.backfills import begin_backfill, finish_backfill
from pipelines.source.ledger.epoch import read_epoch
from pipelines.source.ledger.marks import open_marks
from pipelines.source.ledger.state import read_state
from pipelines.source.ledger.touch import ask_to_leave, touch
from pipelines.source.ledger.version import read_versions
from pipelines.target.backfill_run import RefusedPut
from pipelines.target.write_verdict import Met, Now, Refused, Verdict, judge_refused
from pipelines.warehouse.manifest import LedgerSeen, RecordsManifest

_CONFLICT = "what is at its key was not written by Crossover, or is newer than the ledger"


@contextmanager
def backfill_ledger(migration: Migration, records: RecordsManifest, run_id: str) -> Iterator[BackfillLedger]:
    """The run is begun in the ledger, or still. Raises StageError where the snapshot is older than a sweep, of another
    epoch or mapping, or capture has a gap; SourceError, UsageError where the source's URL is missing."""
    assert records.ledger is not None  # `require_allowed` has seen it
    with opened_ledger(migration, source_url(migration.mapping)) as opened:
        epoch, seen = opened.session.epoch, records.ledger
        if epoch != seen.epoch:
            raise StageError(
                f"snapshot {records.snapshot_id} is of epoch {seen.epoch}, and {epoch} has begun; take a new snapshot"
            )
        _require_whole(opened, read_epoch(migration.folder.root))
        begin_backfill(opened.session, run_id, seen.sweeps)
        yield BackfillLedger(run_id, frozenset(records.bear_source), migration.mapping.versioned, opened, seen)


def _require_whole(opened: OpenedLedger, warehouse_epoch: int) -> None:
    with opened.session.snapshot(()) as connection:
        gap = read_state(connection, opened.plan, warehouse_epoch).gap
    if gap is not None:
        raise StageError(f"nothing can be written beside others: {gap}")


@dataclass(frozen=True)
class BackfillLedger(RefusedPuts):
    """`seen`: by the snapshot that is written."""

    opened: OpenedLedger
    seen: LedgerSeen

    def finish(self) -> None:
        """Raises StageError where the epoch has ended: then the run is not whole."""
        finish_backfill(self.opened.session, self.run_id)

    def settled(self, batch: Sequence[RefusedPut]) -> Iterator[tuple[RefusedPut, Verdict]]:
        if batch[0].item_type in self.versioned:
            yield from super().settled(batch)
            return
        nows = self._now(batch)
        for one in batch:
            verdict = self._by_ledger(one, nows.get(one.source_key or ""))
            if verdict in (Verdict.HELD, Verdict.TAKEN_OVER):
                self._hand_over(one, verdict, nows[one.source_key or ""].version)
            yield one, verdict

    def conflict(self, one: RefusedPut) -> str:
        return super().conflict(one) if one.item_type in self.versioned else _CONFLICT

    def _by_ledger(self, one: RefusedPut, now: Now | None) -> Verdict:
        met = Met(one.met_version, one.met_owner, one.met_tombstone, one.met_equal)
        if now is None:  # without a ledger only what is absent is added
            return Verdict.CONFLICT if met.version < 0 else Verdict.DONE if met.equal else Verdict.SUPERSEDED
        owner = one.source_key if one.item_type in self.bear_source else None
        return judge_refused(Refused(owner, one.version, None, met), now)

    def _now(self, batch: Sequence[RefusedPut]) -> dict[str, Now]:
        """Of one item type, by source key; empty where it has no ledger."""
        item_type, migration = batch[0].item_type, self.opened.plan.name
        if item_type not in self.seen.item_types:
            return {}
        written = {one.source_key: one.version for one in batch if one.source_key is not None}
        with self.opened.session.snapshot(()) as connection:
            versions = read_versions(connection, migration, item_type, list(written))
            marked: frozenset[str] = frozenset()
            if any(one.met_version == one.version and not one.met_equal for one in batch):
                plan = replace(self.opened.plan, items=(self.opened.plan.item(item_type),))
                marked = open_marks(connection, plan).get(item_type, marked)
        return {key: Now(versions[key], versions[key] != version or key in marked) for key, version in written.items()}

    def _hand_over(self, one: RefusedPut, verdict: Verdict, version: int) -> None:
        """The relay puts it once its key is free: it alone may wait."""
        session = self.opened.session
        assert one.source_key is not None
        if verdict is Verdict.HELD:
            assert one.met_owner is not None  # or it would be a conflict
            ask_to_leave(session, one.item_type, one.met_owner, one.key, one.met_version)
            touch(session, one.item_type, one.source_key, version)
        else:
            touch(session, one.item_type, one.source_key, max(version, one.met_version))
