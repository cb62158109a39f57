"""The differences of one bucket judged again: what both sides are by now takes the place of what the snapshot said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipelines.diff.account import MOST_ATTRIBUTES, AttributeCounter, BucketAccount, read_account, write_account
from pipelines.diff.bucket import paths_between
from pipelines.diff.differences import DifferenceWriter, differences_file, path_columns
from pipelines.diff.equivalence import Rule
from pipelines.diff.paths import PathDifference, PathKind, accepted_by
from pipelines.diff.sensitive import Sensitive
from pipelines.diff.suspects import SuspectRow, suspect_batches, suspect_of
from pipelines.diff.verdict import plus
from pipelines.errors import AccountsError, WarehouseError
from pipelines.judging.judge import Judge
from pipelines.judging.suspect import Judgement, Seen
from pipelines.judging.verdict import Verdict
from pipelines.mapping.outcome import Assembled
from pipelines.mapping.plan import NO_EQUIVALENCES, Equivalences
from pipelines.warehouse.hold import Hold
from pipelines.warehouse.manifest import Verdicts
from pipelines.warehouse.place import Place


@dataclass
class Looks:
    """Of a bucket's differences that have no ledger: how they were seen last, by their place in the file. `is_last`:
    what does not stand still by now is called so."""

    is_last: bool = True
    seen: dict[int, Seen] = field(default_factory=dict)
    moving: int = 0

    def note(self, place: int, judgement: Judgement) -> None:
        self.moving += judgement.ruling.again
        if judgement.seen is not None:
            self.seen[place] = judgement.seen


class _StillMovingError(Exception):
    pass


@dataclass(frozen=True)
class JudgeBucket:
    """`folder` is the diff's, `compared` the comparison's. `sensitive`, `compare`: per item type. `told`: the item
    types of which the reverse relay has told all that was written before the dump ended."""

    folder: Place
    compared: Place
    sensitive: Mapping[str, Sensitive]
    compare: Mapping[str, Equivalences]
    hold: Hold | None = None
    told: frozenset[str] = frozenset()

    def equivalent(self, item_type: str, source: str, target: str) -> bool:
        """Whether the two items differ as the mapping allows."""
        return bool(accepted_by(self.compare.get(item_type, NO_EQUIVALENCES), source, target))

    def __call__(self, bucket: int, judge: Judge | None, at_most: int, looks: Looks) -> BucketAccount | None:
        """Returns at once where an earlier attempt has closed the bucket's account. No more than `at_most` are judged
        again, and none without a `judge`. None, and nothing is written: some did not stand still, and another look is
        to follow.

        Raises what `Judge.judge` raises, AccountsError, and WarehouseError where the comparison cannot be read.
        """
        account = read_account(self.folder, bucket)
        if account is not None:
            return account
        before = read_account(self.compared, bucket)
        if before is None:
            raise WarehouseError(f"diff, bucket {bucket}: {self.compared} has no account of it; start a new run")
        try:
            account = self._judge(before, judge, at_most, looks)
        except _StillMovingError:
            return None
        except pa.ArrowException as error:  # its message can quote values
            raise WarehouseError(
                f"diff, bucket {bucket}: {self.compared} cannot be read, or the disk is full ({type(error).__name__})"
            ) from None
        if self.hold is not None:
            self.hold.require()
        write_account(self.folder, account)
        return account

    def _judge(self, before: BucketAccount, judge: Judge | None, at_most: int, looks: Looks) -> BucketAccount:
        tally = _Tally()
        looks.moving = 0
        with DifferenceWriter(differences_file(self.folder, before.bucket)) as writer:
            for rows in suspect_batches(self.compared, before.bucket):
                again = [] if judge is None else rows[: max(at_most - tally.judged, 0)]
                found = self._judgements(judge, again, len(rows), tally.judged + tally.kept, looks)
                for row, judgement in zip(rows, found, strict=True):
                    self._count(tally, writer, row, judgement)
            if looks.moving and not looks.is_last:
                raise _StillMovingError
        return tally.account(before, writer.rows)

    def _count(self, tally: _Tally, writer: DifferenceWriter, row: SuspectRow, judgement: Judgement | None) -> None:
        """A row that is not judged again stands as it was written."""
        if judgement is None:
            tally.keep(row)
            writer.write_row(row)
            return
        tally.move(row, judgement.verdict)
        if judgement.verdict is not Verdict.MATCH:
            item_type = row["item_type"] or ""
            paths = iter(self._paths(item_type, judgement))
            writer.write_row(_row(row, judgement) | path_columns(tally.attributes.watch(item_type, paths)))

    def _judgements(
        self, judge: Judge | None, rows: Sequence[SuspectRow], count: int, begin: int, looks: Looks
    ) -> list[Judgement | None]:
        """In the rows' order, an item type at a time; `count` times None where there are no rows. `begin`: the first
        row's place in the file."""
        found: list[Judgement | None] = [None] * count
        for item_type in dict.fromkeys(row["item_type"] for row in rows):
            places = [n for n, row in enumerate(rows) if row["item_type"] == item_type]
            assert judge is not None
            if judge.has_ledger(item_type):
                judged = judge.judge(item_type, [suspect_of(rows[n], told=item_type in self.told) for n in places])
            else:
                judged = judge.look(item_type, [suspect_of(rows[n], looks.seen.get(begin + n)) for n in places])
                for n, judgement in zip(places, judged, strict=True):
                    looks.note(begin + n, judgement)
            for n, judgement in zip(places, judged, strict=True):
                found[n] = judgement
        return found

    def _paths(self, item_type: str, judgement: Judgement) -> list[PathDifference]:
        outcome, target = judgement.source.outcome, judgement.target
        source = outcome.item if isinstance(outcome, Assembled) else None
        stored = None if target is None or target.is_tombstone else target.item
        return paths_between(item_type, source, stored, self.sensitive, self.compare)


def _row(row: SuspectRow, judgement: Judgement) -> dict[str, Any]:
    source, target = judgement.source, judgement.target
    live = None if target is None or target.is_tombstone else target
    return {
        **row,
        "source_key": source.source_key if source.outcome is not None else row["source_key"],
        "verdict": judgement.verdict.value,
        "source_version": source.version,
        "target_version": None if live is None else live.version,
        "source_size": None if source.outcome is None else source.outcome.size,
        "target_size": None if live is None else live.size,
    }


@dataclass
class _Tally:
    """Moves verdicts from what they were to what they are; the union stays what it was."""

    judged: int = 0
    kept: int = 0
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    attributes: AttributeCounter = field(default_factory=AttributeCounter)

    def keep(self, row: SuspectRow) -> None:
        self.kept += 1
        for _ in self.attributes.watch(row["item_type"] or "", map(_path, row["paths"])):
            pass
        self.attributes.others += row["more_paths"]

    def move(self, row: SuspectRow, verdict: Verdict) -> None:
        self.judged += 1
        self.moved[row["item_type"] or "", row["verdict"]] -= 1
        self.moved[row["item_type"] or "", verdict.value] += 1

    def account(self, before: BucketAccount, differences: int) -> BucketAccount:
        item_types = dict(before.item_types)
        for (item_type, verdict), count in self.moved.items():
            item_types[item_type] = plus(item_types.get(item_type, Verdicts()), Verdicts(**{verdict: count}))
        account = before.model_copy(
            update={
                "item_types": item_types,
                "differences": differences,
                "attributes": self.attributes.top(MOST_ATTRIBUTES),
                "other_attributes": self.attributes.others,
                "judged_again": self.judged,
                "not_judged_again": self.kept,
            }
        )
        _check(before, account)
        return account


def _check(before: BucketAccount, account: BucketAccount) -> None:
    """Raises AccountsError unless every row of the union has a verdict still, and all that differ were written."""
    verdicts = account.verdicts
    if verdicts.total() != account.union or account.differences != account.union - verdicts.match:
        raise AccountsError(
            f"diff, bucket {account.bucket}: {before.differences:,} differences, "
            f"{account.judged_again:,} judged again and {account.not_judged_again:,} kept; "
            f"{account.union:,} rows on both sides, {verdicts.total():,} verdicts"
        )


def _path(row: Mapping[str, Any]) -> PathDifference:
    rules = tuple(Rule(one) for one in row["accepted_by"])
    return PathDifference(row["path"], PathKind(row["kind"]), row["source"], row["target"], rules)
