"""The work of one bucket: join, judge, find the paths, write the differences, close the account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.diff.account import MOST_ATTRIBUTES, AttributeCounter, BucketAccount, read_account, write_account
from pipelines.diff.differences import DIFFERENCE_SCHEMA, SUSPECT_SCHEMA, DifferenceWriter, differences_file
from pipelines.diff.kernel import BucketJoin
from pipelines.diff.paths import PathDifference, path_differences, rules_of
from pipelines.diff.sensitive import NOTHING_SENSITIVE, Sensitive
from pipelines.diff.sides import REJECT_COLUMNS, BucketSides, KnownRows, Pairs, SideCounts
from pipelines.diff.verdict import judge
from pipelines.errors import AccountsError, WarehouseError
from pipelines.items.bucket import bucket_of
from pipelines.judging.verdict import Verdict
from pipelines.mapping.plan import NO_EQUIVALENCES, Equivalences
from pipelines.warehouse.dataset import RECORDS, TOMBSTONES, bucket_files, reject_batches
from pipelines.warehouse.hold import Hold
from pipelines.warehouse.manifest import Verdicts
from pipelines.warehouse.place import Place
from pipelines.warehouse.scratch import scratch_folder


@dataclass(frozen=True)
class CompareBucket:
    """The work of one task. `folder` is the diff's; `source`, `target`: the records' and the dump's. `sensitive`,
    `compare`: per item type. `versioned`: item types whose versions are those of a column."""

    folder: Place
    source: Place
    target: Place
    buckets: int
    has_rejects: bool
    sensitive: Mapping[str, Sensitive]
    compare: Mapping[str, Equivalences] = field(default_factory=dict)
    ledger: KnownRows | None = None
    hold: Hold | None = None  # of the stage's lock
    versioned: frozenset[str] = frozenset()
    judged_again: bool = False  # what is written is still to be judged by reading again

    def __call__(self, bucket: int) -> BucketAccount:
        """Returns at once where an earlier attempt has closed the bucket's account.

        Raises AccountsError, WarehouseError where a file cannot be read or the join has no room, and LostLockError
        before the account is closed.
        """
        account = read_account(self.folder, bucket)
        if account is not None:
            return account
        try:
            account = self._compare(bucket)
        except (duckdb.Error, pa.ArrowException) as error:  # their messages can quote values
            raise WarehouseError(
                f"diff, bucket {bucket}: {self.source} or {self.target} cannot be read, or the disk is full "
                f"({type(error).__name__})"
            ) from None
        if self.hold is not None:
            self.hold.require()
        write_account(self.folder, account)
        return account

    def _compare(self, bucket: int) -> BucketAccount:
        """In memory, and only where there is no room with a disk to spill to."""
        try:
            return self._compare_within(bucket, None)
        except duckdb.OutOfMemoryException:
            with scratch_folder(self.folder, f"scratch-{bucket}") as scratch:
                return self._compare_within(bucket, scratch)

    def _compare_within(self, bucket: int, scratch: Path | None) -> BucketAccount:
        with (
            BucketJoin(self._sides(bucket), scratch) as join,
            DifferenceWriter(differences_file(self.folder, bucket), self._schema) as writer,
        ):
            return self._judge(bucket, join, writer)

    @property
    def _schema(self) -> pa.Schema:
        return SUSPECT_SCHEMA if self.judged_again else DIFFERENCE_SCHEMA

    def _sides(self, bucket: int) -> BucketSides:
        return BucketSides(
            bucket=bucket,
            source_files=tuple(bucket_files(self.source / RECORDS, bucket)),
            target_files=tuple(bucket_files(self.target / RECORDS, bucket)),
            rejects=rejects_of(self.source, bucket, self.buckets) if self.has_rejects else _NO_REJECTS,
            ledger=self.ledger,
            tombstone_files=tuple(bucket_files(self.target / TOMBSTONES, bucket)),
        )

    def _judge(self, bucket: int, join: BucketJoin, writer: DifferenceWriter) -> BucketAccount:
        tally = _Tally(join.matches())
        for pairs in join.pairs():
            paths = self._paths(pairs)
            verdicts = [
                judge(source, target, ledger, equivalent=bool(rules_of(found)), versioned=item_type in self.versioned)
                for item_type, (source, target, ledger), found in zip(
                    pairs.column("item_type"), pairs.sides(), paths, strict=True
                )
            ]
            tally.count(pairs, verdicts, paths)
            writer.write_pairs(pairs, verdicts, paths)
        return tally.account(bucket, join.counts(), writer.rows)

    def _paths(self, pairs: Pairs) -> list[list[PathDifference]]:
        return [
            paths_between(item_type or "", source, target, self.sensitive, self.compare)
            for item_type, source, target in zip(
                *map(pairs.column, ("item_type", "source_item", "target_item")), strict=True
            )
        ]


def paths_between(
    item_type: str,
    source: str | None,
    target: str | None,
    sensitive: Mapping[str, Sensitive],
    compare: Mapping[str, Equivalences],
) -> list[PathDifference]:
    """None where one side has no item. `sensitive`, `compare`: per item type."""
    if source is None or target is None:
        return []
    hidden, rules = sensitive.get(item_type, NOTHING_SENSITIVE), compare.get(item_type, NO_EQUIVALENCES)
    return list(path_differences(source, target, hidden, rules))


class _Tally:
    """Counts every row of the union once."""

    def __init__(self, matches: Mapping[str, int]) -> None:
        self._verdicts = {(item_type, Verdict.MATCH): count for item_type, count in matches.items()}
        self._target_only = 0
        self._with_target = sum(matches.values())
        self.attributes = AttributeCounter()

    def count(self, pairs: Pairs, verdicts: Sequence[Verdict], paths: Sequence[Iterable[PathDifference]]) -> None:
        item_types = pairs.column("item_type")
        for (item_type, verdict), count in Counter(zip(item_types, verdicts, strict=True)).items():
            entry = (item_type or "", verdict)
            self._verdicts[entry] = self._verdicts.get(entry, 0) + count
        self._target_only += pairs.rows.num_rows - pairs.rows.column("in_source").true_count
        self._with_target += pairs.rows.column("in_target").true_count
        for item_type, found in zip(item_types, paths, strict=True):
            self.attributes.add_paths(item_type or "", found)

    def account(self, bucket: int, sides: SideCounts, differences: int) -> BucketAccount:
        account = BucketAccount(
            bucket=bucket,
            source_records=sides.source_records,
            source_rejects=sides.source_rejects,
            target_items=sides.target_items,
            target_only=self._target_only,
            item_types=self._by_item_type(),
            differences=differences,
            attributes=self.attributes.top(MOST_ATTRIBUTES),
            other_attributes=self.attributes.others,
            not_judged_again=differences,
        )
        check_account(account, self._with_target)
        return account

    def _by_item_type(self) -> dict[str, Verdicts]:
        counts: dict[str, Counter[str]] = {}
        for (item_type, verdict), count in sorted(self._verdicts.items()):
            counts.setdefault(item_type, Counter())[verdict.value] += count
        return {item_type: Verdicts(**count) for item_type, count in counts.items()}


def check_account(account: BucketAccount, with_target: int) -> None:
    """Every row of either side has exactly one verdict. Raises AccountsError."""
    judged = account.verdicts.total()
    if judged != account.union or with_target != account.target_items:
        raise AccountsError(
            f"diff, bucket {account.bucket}: {account.union:,} rows on both sides, {judged:,} verdicts; "
            f"{account.target_items:,} items in the target, {with_target:,} judged"
        )


def rejects_of(records: Place, bucket: int, buckets: int) -> pa.Table:
    """REJECT_COLUMNS of the bucket's rejects. One without a key is in the bucket of its source key's text."""
    own = [_of_bucket(batch, bucket, buckets) for batch in reject_batches(records, REJECT_COLUMNS)]
    return pa.concat_tables(own) if own else _NO_REJECTS


def _of_bucket(rejects: pa.Table, bucket: int, buckets: int) -> pa.Table:
    return rejects.filter(pa.array([own == bucket for own in reject_buckets(rejects, buckets)], pa.bool_()))


def reject_buckets(rejects: pa.Table, buckets: int) -> list[int]:
    """The bucket of each reject, by its key or, where it has none, its source key."""
    texts = pc.coalesce(rejects["key"], rejects["source_key"], pa.scalar("")).to_pylist()
    return [bucket_of(text, buckets) for text in texts]


_NO_REJECTS = pa.schema(
    [pa.field(name, pa.int64() if name == "size" else pa.string()) for name in REJECT_COLUMNS]
).empty_table()
