"""One piece of a live backfill: each record of a bucket is put where nothing newer is (rule 7).

What is refused is kept for the stage, which alone can ask the source's ledger what it means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipelines.target.attempt import Attempt
from pipelines.target.backfill_run import BackfillFolder, BucketAccount, RefusedPut
from pipelines.target.batch_write import Failure
from pipelines.target.budget import Allowance
from pipelines.target.charge import FREE, Charge
from pipelines.target.client import Address
from pipelines.target.cold_bucket import Report, by_table, columns, owners, selected
from pipelines.target.conditional_write import Answered, Sent, Write
from pipelines.target.live_write import IN_FLIGHT, LiveWriter
from pipelines.target.retry import RetryPolicy
from pipelines.target.spread import spread
from pipelines.target.wire import Wire
from pipelines.target.write_verdict import met
from pipelines.warehouse.dataset import read_bucket
from pipelines.warehouse.place import Place


@dataclass(frozen=True)
class LiveBucket:
    """A task; picklable. `item_types`: only these, or all where empty. `partition_keys`: each table's attribute.
    `bear_source`: item types whose items bear the source key. `allowance`: of write capacity, or none. `retried`: the
    bucket's account, where only what failed is written."""

    address: Address
    records_folder: Place
    run_folder: Place
    bucket: int
    partition_keys: Mapping[str, str]
    item_types: tuple[str, ...] = ()
    bear_source: frozenset[str] = frozenset()
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    allowance: Allowance | None = None
    retried: BucketAccount | None = None


@dataclass(frozen=True)
class _Row:
    item_type: str
    source_key: str | None
    write: Write


def put_bucket(task: LiveBucket) -> BucketAccount:
    """Raises TargetError; the bucket is then not done, and is written again by the next attempt: what it had put by
    then is met again, with the same version and content."""
    attempt = Attempt(BackfillFolder(task.run_folder), task.bucket, task.retried)
    if (done := attempt.done_before()) is not None:
        return done
    records = read_bucket(task.records_folder, task.bucket, columns(task.allowance))
    records = attempt.wanted(selected(records, task.item_types))
    budget = None if task.allowance is None else task.allowance.budget()
    outcome = _Outcome()
    report = Report(attempt.folder, task.bucket)
    waiting: dict[tuple[str, str], _Row] = {}

    def writes(of_table: pa.Table) -> Iterator[Write]:
        for row in _rows(of_table, task):
            waiting[row.write.table, row.write.key] = row
            yield row.write

    lines = [(rows.num_rows, writes(rows)) for rows in by_table(records).values()]
    with Wire(task.address, IN_FLIGHT) as wire:
        for answered in LiveWriter(wire, task.policy, budget=budget).send_lines(lines):
            outcome.add(waiting.pop((answered.write.table, answered.write.key)), answered)
            report.add(1)
    return attempt.finish(records, outcome.counts[Sent.WRITTEN], outcome.failures, outcome.refusals)


def _rows(records: pa.Table, task: LiveBucket) -> Iterator[_Row]:
    for piece in spread(records, task.bucket):
        for row, owner in zip(piece.to_pylist(), owners(piece, task.bear_source), strict=True):
            write = Write(
                table=row["table"],
                partition_key=task.partition_keys[row["table"]],
                key=row["key"],
                item=row["item"],
                version=row["version"] or 0,
                owner=owner,
                charge=FREE if task.allowance is None else _charge(row, owner, task.allowance),
            )
            yield _Row(row["item_type"], row["source_key"], write)


def _charge(row: Mapping[str, Any], owner: str | None, allowance: Allowance) -> Charge:
    return allowance.tariffs[row["table"]].of(row["item"].encode(), row["size"], row["version"] or 0, owner)


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
