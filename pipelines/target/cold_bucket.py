"""One piece of a cold backfill: all records of one bucket go to DynamoDB, then the bucket's account is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.target.backfill_run import BackfillFolder, BucketAccount
from pipelines.target.batch import Batch, Put, batches
from pipelines.target.batch_write import IN_FLIGHT, BatchWriter
from pipelines.target.client import Address
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Wire
from pipelines.warehouse.dataset import read_bucket
from pipelines.warehouse.place import Place

COLUMNS = ("item_type", "table", "key", "source_key", "item", "version")
_ROWS_AT_ONCE = 1_000
_REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class ColdBucket:
    """A task; picklable. `item_types`: only these, or all where empty. `bear_source`: item types whose items bear the
    source key."""

    address: Address
    records_folder: Place
    run_folder: Place
    bucket: int
    item_types: tuple[str, ...] = ()
    bear_source: frozenset[str] = frozenset()
    policy: RetryPolicy = field(default_factory=RetryPolicy)


def write_bucket(task: ColdBucket) -> BucketAccount:
    """Raises TargetError; the bucket is then not done, and is written again by the next attempt."""
    folder = BackfillFolder(task.run_folder)
    records = selected(read_bucket(task.records_folder, task.bucket, COLUMNS), task.item_types)
    with Wire(task.address, connections=IN_FLIGHT) as wire:
        writer = BatchWriter(wire, task.policy)
        written = writer.write(_batches(records, task.bear_source), Report(folder, task.bucket).add)
    account = BucketAccount(
        bucket=task.bucket, records=records.num_rows, written=written.written, failed=len(written.failures)
    )
    folder.finish_bucket(account, written.failures)
    return account


def selected(records: pa.Table, item_types: tuple[str, ...]) -> pa.Table:
    """The rows of some item types, or all."""
    if not item_types:
        return records
    return records.filter(pc.is_in(records["item_type"], value_set=pa.array(item_types, pa.string())))


def _batches(records: pa.Table, bear_source: frozenset[str]) -> Iterator[Batch]:
    for table in pc.unique(records["table"]).to_pylist():
        yield from batches(table, _puts(records.filter(pc.equal(records["table"], table)), bear_source))


def owners(records: pa.RecordBatch, bear_source: frozenset[str]) -> list[str | None]:
    """The source keys of those rows whose items bear it."""
    bear = pc.is_in(records.column("item_type"), value_set=pa.array(sorted(bear_source), pa.string()))
    return list(pc.if_else(bear, records.column("source_key"), None).to_pylist())


def _puts(records: pa.Table, bear_source: frozenset[str]) -> Iterator[Put]:
    for chunk in records.to_batches(max_chunksize=_ROWS_AT_ONCE):
        keys = chunk.column("key").to_pylist()
        items = chunk.column("item").cast(pa.binary()).to_pylist()  # UTF-8 as it lies in the file
        versions = chunk.column("version").fill_null(0).to_pylist()
        yield from map(Put, keys, items, versions, owners(chunk, bear_source))


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
