"""The refused puts of a live backfill, judged by the versions of rows alone (rule 7): where no ledger can be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pipelines.progress import tell
from pipelines.target.backfill_run import BackfillFolder, BucketAccount, RefusedPut
from pipelines.target.dead_letter import CONFLICT, DeadLetter
from pipelines.target.write_verdict import Verdict

_HANDED_OVER = (Verdict.HELD, Verdict.TAKEN_OVER)


@dataclass(frozen=True)
class RefusedPuts:
    """Of a run of item types whose versions are those of a column of the row (`versioned`). `bear_source`: item types
    whose items name their row."""

    run_id: str
    bear_source: frozenset[str]
    versioned: frozenset[str]

    def finish(self) -> None:
        """Once the whole run is done."""

    def judge(self, folder: BackfillFolder, buckets: Sequence[int]) -> None:
        """Every refused put of the buckets gets its place in the accounts. It can be repeated. Raises StageError,
        SourceError."""
        handed_over = 0
        for account in folder.accounts(buckets):
            if account.refused:
                judged = _Judged()
                for batch in folder.refusals(account):
                    for one, verdict in self.settled(batch):
                        judged.add(one, verdict, self.conflict)
                folder.finish_bucket(judged.account(account), [*folder.failed(account), *judged.conflicts])
                handed_over += judged.handed_over
        if handed_over:
            tell(f"backfill {self.run_id}: {handed_over:,} keys are another row's still; the relay puts their items")

    def settled(self, batch: Sequence[RefusedPut]) -> Iterator[tuple[RefusedPut, Verdict]]:
        """`batch`: of one item type."""
        for one in batch:
            yield one, self._verdict(one)

    def conflict(self, one: RefusedPut) -> str:
        """What it means that the put is in conflict with what it has met."""
        if one.met_version < 0:
            return "what is at its key was not written by Crossover"
        if self._is_anothers(one):
            return "what is at its key is another row's item"
        return "what is at its key has the row's version and another content"

    def _verdict(self, one: RefusedPut) -> Verdict:
        if one.met_version < 0 or self._is_anothers(one):
            return Verdict.CONFLICT
        if one.met_version > one.version:
            return Verdict.SUPERSEDED
        if one.met_equal:
            return Verdict.DONE
        return Verdict.SUPERSEDED if one.met_tombstone else Verdict.CONFLICT

    def _is_anothers(self, one: RefusedPut) -> bool:
        """The versions of two rows order nothing."""
        return one.item_type in self.bear_source and one.met_owner != one.source_key


@dataclass
class _Judged:
    """Of one bucket. An item that has changed since the snapshot (`again`) is undelivered, or delivered newer."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    conflicts: list[DeadLetter] = field(default_factory=list)

    def add(self, one: RefusedPut, verdict: Verdict, why: Callable[[RefusedPut], str]) -> None:
        """`why`: asked of a conflict."""
        self.counts[verdict] += 1
        if verdict is Verdict.CONFLICT:
            error = f"{CONFLICT}: {why(one)}"
            self.conflicts.append(DeadLetter(one.item_type, one.table, one.key, one.source_key, error))

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
