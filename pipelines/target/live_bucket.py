"""One piece of a live backfill: each record of a bucket is put where nothing newer is (rule 7).

What is refused is kept for the stage, which alone can ask the source's ledger what it means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.target.backfill_run import BackfillFolder, BucketAccount, RefusedPut
from pipelines.target.batch_write import Failure
from pipelines.target.client import Address
from pipelines.target.cold_bucket import COLUMNS, Report, owners, selected
from pipelines.target.conditional_write import Answered, Sent, Write
from pipelines.target.judge import met
from pipelines.target.live_write import IN_FLIGHT, LiveWriter
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Wire
from pipelines.warehouse.dataset import read_bucket
from pipelines.warehouse.place import Place

_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class LiveBucket:
    """A task; picklable. `item_types`: only these, or all where empty. `partition_keys`: each table's attribute.
    `bear_source`: item types whose items bear the source key."""

    address: Address
    records_folder: Place
    run_folder: Place
    bucket: int
    partition_keys: Mapping[str, str]
    item_types: tuple[str, ...] = ()
    bear_source: frozenset[str] = frozenset()
    policy: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True)
class _Row:
    item_type: str
    source_key: str | None
    write: Write


def put_bucket(task: LiveBucket) -> BucketAccount:
    """Raises TargetError; the bucket is then not done, and is written again by the next attempt: what it had put by
    then is met again, with the same version and content."""
    folder = BackfillFolder(task.run_folder)
    records = selected(read_bucket(task.records_folder, task.bucket, COLUMNS), task.item_types)
    outcome = _Outcome()
    report = Report(folder, task.bucket)
    waiting: dict[tuple[str, str], _Row] = {}

    def writes() -> Iterator[Write]:
        for row in _rows(records, task):
            waiting[row.write.table, row.write.key] = row
            yield row.write

    with Wire(task.address, IN_FLIGHT) as wire:
        for answered in LiveWriter(wire, task.policy).send(writes()):
            outcome.add(waiting.pop((answered.write.table, answered.write.key)), answered)
            report.add(1)
    account = BucketAccount(
        bucket=task.bucket,
        records=records.num_rows,
        written=outcome.counts[Sent.WRITTEN],
        failed=len(outcome.failures),
        refused=len(outcome.refusals),
    )
    folder.finish_bucket(account, outcome.failures, outcome.refusals)
    return account


def _rows(records: pa.Table, task: LiveBucket) -> Iterator[_Row]:
    for chunk in records.to_batches(max_chunksize=_ROWS_AT_ONCE):
        rows = chunk.select(["item_type", "source_key", "table", "key", "item", "version"]).to_pylist()
        for row, owner in zip(rows, owners(chunk, task.bear_source), strict=True):
            item_type, source_key, table, key, item, version = row.values()
            write = Write(table, task.partition_keys[table], key, item, version or 0, owner)
            yield _Row(item_type, source_key, write)


class _Outcome:
    def __init__(self) -> None:
        self.counts: Counter[Sent] = Counter()
        self.failures: list[Failure] = []
        self.refusals: list[RefusedPut] = []

    def add(self, row: _Row, answered: Answered) -> None:
        self.counts[answered.sent] += 1
        found = met(answered)
        if answered.sent is Sent.WRITTEN:
            return
        if answered.sent is not Sent.REFUSED or found is None:
            code = answered.code or "refused without telling what is there"
            self.failures.append(Failure(row.write.table, row.write.key, code))
            return
        self.refusals.append(
            RefusedPut(
                item_type=row.item_type,
                table=row.write.table,
                key=row.write.key,
                source_key=row.source_key,
                version=row.write.version,
                met_version=found.version,
                met_owner=found.owner,
                met_tombstone=found.is_tombstone,
                met_equal=found.equal,
            )
        )
