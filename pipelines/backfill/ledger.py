"""A backfill beside relays: begun and ended in the ledger, and its refused puts judged by it (rules 7, 8d and 10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pipelines.deliver.opened import OpenedLedger, opened_ledger
from pipelines.errors import StageError
from pipelines.migration import Migration
from pipelines.progress import tell
from pipelines.source.connect import source_url
from pipelines.source.ledger.backfills import begin_backfill, finish_backfill
from pipelines.source.ledger.epoch import read_epoch
from pipelines.source.ledger.marks import open_marks
from pipelines.source.ledger.state import read_state
from pipelines.source.ledger.touch import ask_to_leave, touch
from pipelines.source.ledger.version import read_versions
from pipelines.target.backfill_run import BackfillFolder, BucketAccount, RefusedPut
from pipelines.target.dead_letter import CONFLICT, DeadLetter
from pipelines.target.judge import Met, Now, Refused, Verdict, judge_refused
from pipelines.warehouse.manifest import LedgerSeen, RecordsManifest

_CONFLICT = f"{CONFLICT}: what is at its key was not written by Crossover, or is newer than the ledger"

_HANDED_OVER = (Verdict.HELD, Verdict.TAKEN_OVER)


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
        yield BackfillLedger(opened, seen, frozenset(records.bear_source), run_id)


def _require_whole(opened: OpenedLedger, warehouse_epoch: int) -> None:
    with opened.session.snapshot(()) as connection:
        gap = read_state(connection, opened.plan, warehouse_epoch).gap
    if gap is not None:
        raise StageError(f"nothing can be written beside others: {gap}")


@dataclass(frozen=True)
class BackfillLedger:
    """`seen`: by the snapshot that is written."""

    opened: OpenedLedger
    seen: LedgerSeen
    bear_source: frozenset[str]
    run_id: str

    def finish(self) -> None:
        """Raises StageError where the epoch has ended: then the run is not whole."""
        finish_backfill(self.opened.session, self.run_id)

    def judge(self, folder: BackfillFolder, buckets: Sequence[int]) -> None:
        """Every refused put of the buckets gets its place in the accounts. It can be repeated. Raises StageError,
        SourceError."""
        handed_over = 0
        for account in folder.accounts(buckets):
            if account.refused:
                judged = self._judge_bucket(folder, account)
                folder.finish_bucket(judged.account(account), [*folder.failed(account), *judged.conflicts])
                handed_over += judged.handed_over
        if handed_over:
            tell(f"backfill {self.run_id}: {handed_over:,} keys are another row's still; the relay puts their items")

    def _judge_bucket(self, folder: BackfillFolder, account: BucketAccount) -> _Judged:
        judged = _Judged()
        for batch in folder.refusals(account):
            nows = self._now(batch)
            for one in batch:
                verdict = self._verdict(one, nows.get(one.source_key or ""))
                if verdict in _HANDED_OVER:
                    self._hand_over(one, verdict, nows[one.source_key or ""].version)
                judged.add(one, verdict)
        return judged

    def _verdict(self, one: RefusedPut, now: Now | None) -> Verdict:
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


@dataclass
class _Judged:
    """Of one bucket. An item that has changed since the snapshot (`again`) is undelivered, or delivered newer."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    conflicts: list[DeadLetter] = field(default_factory=list)

    def add(self, one: RefusedPut, verdict: Verdict) -> None:
        self.counts[verdict] += 1
        if verdict is Verdict.CONFLICT:
            self.conflicts.append(DeadLetter(one.item_type, one.table, one.key, one.source_key, _CONFLICT))

    @property
    def handed_over(self) -> int:
        return sum(self.counts[verdict] for verdict in _HANDED_OVER)

    def account(self, before: BucketAccount) -> BucketAccount:
        """What was there already counts as written: it was an earlier attempt's, or a relay's, and is equal."""
        kept = self.counts[Verdict.SUPERSEDED] + self.counts[Verdict.AGAIN] + self.handed_over
        return before.model_copy(
            update={
                "revision": before.revision + 1,
                "written": before.written + self.counts[Verdict.DONE],
                "superseded": before.superseded + kept,
                "conflicts": before.conflicts + len(self.conflicts),
                "refused": before.refused - self.counts.total(),
            }
        )
