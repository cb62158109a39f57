"""One piece of a cold backfill: all records of one bucket go to DynamoDB, then the bucket's account is written."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.target.attempt import Attempt
from pipelines.target.backfill_run import BackfillFolder, BucketAccount
from pipelines.target.batch import Batch, ChargedPut, Put, batches
from pipelines.target.batch_write import IN_FLIGHT, BatchWriter
from pipelines.target.budget import Allowance, Budget
from pipelines.target.charge import Tariff
from pipelines.target.client import Address
from pipelines.target.retry import RetryPolicy
from pipelines.target.spread import side_by_side, spread
from pipelines.target.wire import Wire
from pipelines.warehouse.dataset import read_bucket
from pipelines.warehouse.place import Place

COLUMNS = ("item_type", "table", "key", "source_key", "item", "version")
_REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class ColdBucket:
    """A task; picklable. `item_types`: only these, or all where empty. `bear_source`: item types whose items bear the
    source key. `allowance`: of write capacity; without one the writer is as fast as it can be. `retried`: the
    bucket's account, where only what failed is written."""

    address: Address
    records_folder: Place
    run_folder: Place
    bucket: int
    item_types: tuple[str, ...] = ()
    bear_source: frozenset[str] = frozenset()
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    allowance: Allowance | None = None
    retried: BucketAccount | None = None


def write_bucket(task: ColdBucket) -> BucketAccount:
    """Raises TargetError; the bucket is then not done, and is written again by the next attempt."""
    attempt = Attempt(BackfillFolder(task.run_folder), task.bucket, task.retried)
    if (done := attempt.done_before()) is not None:
        return done
    records = read_bucket(task.records_folder, task.bucket, columns(task.allowance))
    records = attempt.wanted(selected(records, task.item_types))
    budget = None if task.allowance is None else task.allowance.budget()
    with Wire(task.address, connections=IN_FLIGHT) as wire:
        writer = BatchWriter(wire, task.policy, budget=budget)
        written = writer.write(_batches(records, task, budget), Report(attempt.folder, task.bucket).add)
    return attempt.finish(records, written.written, written.failures)


def selected(records: pa.Table, item_types: tuple[str, ...]) -> pa.Table:
    """The rows of some item types, or all."""
    if not item_types:
        return records
    return records.filter(pc.is_in(records["item_type"], value_set=pa.array(item_types, pa.string())))


def columns(allowance: Allowance | None) -> tuple[str, ...]:
    """What is read of the records, COLUMNS first."""
    return COLUMNS if allowance is None else (*COLUMNS, "size")


def by_table(records: pa.Table) -> dict[str, pa.Table]:
    names = pc.unique(records["table"]).to_pylist()
    return {name: records.filter(pc.equal(records["table"], name)) for name in names}


def _batches(records: pa.Table, task: ColdBucket, budget: Budget | None) -> Iterator[Batch]:
    def line(table: str, rows: pa.Table) -> Iterator[Batch]:
        max_units = math.inf if budget is None else budget.request_units(table)
        for piece in spread(rows, task.bucket):
            yield from batches(table, _puts(piece, task, table), max_units=max_units)

    lines = [(rows.num_rows, line(table, rows)) for table, rows in by_table(records).items()]
    return side_by_side(lines, lambda batch: len(batch.puts))


def owners(records: pa.RecordBatch, bear_source: frozenset[str]) -> list[str | None]:
    """The source keys of those rows whose items bear it."""
    bear = pc.is_in(records.column("item_type"), value_set=pa.array(sorted(bear_source), pa.string()))
    return list(pc.if_else(bear, records.column("source_key"), None).to_pylist())


def _puts(rows: pa.RecordBatch, task: ColdBucket, table: str) -> Iterator[Put]:
    puts = puts_of(rows, task.bear_source)
    if task.allowance is None:
        return puts
    return map(_charged, puts, rows.column("size").to_pylist(), repeat(task.allowance.tariffs[table]))


def _charged(put: Put, size: int, tariff: Tariff) -> Put:
    return ChargedPut(put.key, put.item, put.version, put.owner, tariff.of(put.item, size, put.version, put.owner))


def puts_of(rows: pa.RecordBatch, bear_source: frozenset[str]) -> Iterator[Put]:
    """One for each row; the columns are those of COLUMNS."""
    keys = rows.column("key").to_pylist()
    items = rows.column("item").cast(pa.binary()).to_pylist()  # UTF-8 as it lies in the file
    versions = rows.column("version").fill_null(0).to_pylist()
    yield from map(Put, keys, items, versions, owners(rows, bear_source))


class Report:
    """Tells the stage how far this bucket is, at most twice a second."""

    def __init__(self, folder: BackfillFolder, bucket: int) -> None:
        self._folder = folder
        self._bucket = bucket
        self._items = 0
        self._last = time.monotonic()

    def add(self, items: int) -> None:
        self._items += items
        now = time.monotonic()
        if now - self._last >= _REPORT_SECONDS:
            self._last = now
            self._folder.report_progress(self._bucket, self._items)
