"""Writes what a Spark plan made, records and rejects, from inside its tasks, and counts what it wrote.

Two layouts, which readers need not tell apart. By bucket: a shuffle of whole rows brings each bucket into one task, and
it becomes one file. As it comes: each task writes what it has made, a file in each bucket, and no row travels. Either
way a task streams Arrow batches into its files in bounded memory and gives on only numbers and hashes of keys, which
Spark groups in the same job. A part's name is its task's number, so a task that is tried again replaces its own files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from pipelines.warehouse.dataset import RECORDS, REJECTS, BucketWriter, RejectWriter
from pipelines.warehouse.place import Place

_SINK_DDL = "item_type string, reason string, rows long, key_hash long"
_SINK_SCHEMA = pa.schema({"item_type": pa.string(), "reason": pa.string(), "rows": pa.int64(), "key_hash": pa.int64()})


@dataclass(frozen=True)
class Written:
    """Rows written of one item type: records where `reason` is None, else rejects of that reason."""

    item_type: str
    reason: str | None
    rows: int


@dataclass(frozen=True)
class WrittenRows:
    """`repeated`: how many rows have a `key_hash` that a row before them has. 0 proves that no key is there twice."""

    parts: tuple[Written, ...]
    repeated: int


def write_rows(rows: DataFrame, dataset: Place | Path, bucket_tasks: int | None) -> WrittenRows:
    """`rows` as `pipelines.mapping.bulk.item_rows` makes them, into `<dataset>/records` and `<dataset>/rejects`.

    `bucket_tasks`: by bucket, in so many tasks; None: as it comes, in the plan's own tasks.
    """
    if bucket_tasks is not None:
        rows = rows.repartitionById(bucket_tasks, F.pmod(F.col("bucket"), F.lit(bucket_tasks)))
    found = _totals(rows.mapInArrow(_Sink(Place.of(dataset)), _SINK_DDL)).collect()
    parts = tuple(Written(item_type, reason, count) for item_type, reason, count, _ in found if item_type is not None)
    return WrittenRows(parts, sum(repeated for *_, repeated in found))


def _totals(written: DataFrame) -> DataFrame:
    """(item_type, reason, rows, repeated), a row for each kind that was written and one, without a type, for all keys.

    Rows meet by hash before they are grouped: nearly all hashes are different, so a task has nothing to group before.
    """
    names = ["item_type", "reason"]
    of_hash = written.repartition("key_hash").groupBy("key_hash", *names).agg(F.sum("rows").alias("rows"))
    repeated = F.when(F.col("key_hash").isNotNull(), F.col("rows") - F.lit(1)).otherwise(F.lit(0))
    return of_hash.groupBy(*names).agg(F.sum("rows").alias("rows"), F.sum(repeated).alias("repeated"))


@dataclass(frozen=True)
class _Sink:
    """Gives a row for each key that has been written, and in the end one for each (item type, reason)."""

    dataset: Place

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        part = f"part-{context.partitionId() if context else 0:05d}"
        counts: Counter[tuple[str, str | None]] = Counter()
        rejects = self.dataset / REJECTS / f"{part}.parquet"
        with BucketWriter(self.dataset / RECORDS, part) as records, RejectWriter(rejects) as rejected:
            for batch in batches:
                table = pa.Table.from_batches([batch])
                counts.update(_counted(table))
                if table["reason"].null_count == table.num_rows:
                    records.write(table)
                else:
                    good = pc.is_null(table["reason"])
                    records.write(table.filter(good))
                    rejected.write(table.filter(pc.invert(good)))
                yield _hashes(batch.column("key_hash").drop_null())
        yield _numbers(counts)


def _counted(table: pa.Table) -> dict[tuple[str, str | None], int]:
    grouped = table.group_by(["item_type", "reason"]).aggregate([([], "count_all")])
    return {(row["item_type"], row["reason"]): row["count_all"] for row in grouped.to_pylist()}


def _hashes(hashes: pa.Int64Array) -> pa.RecordBatch:
    none = pa.nulls(len(hashes), pa.string())
    return pa.record_batch([none, none, pa.repeat(pa.scalar(1, pa.int64()), len(hashes)), hashes], schema=_SINK_SCHEMA)


def _numbers(counts: Counter[tuple[str, str | None]]) -> pa.RecordBatch:
    columns = [
        pa.array([item_type for item_type, _ in counts], pa.string()),
        pa.array([reason for _, reason in counts], pa.string()),
        pa.array(counts.values(), pa.int64()),
        pa.nulls(len(counts), pa.int64()),
    ]
    return pa.record_batch(columns, schema=_SINK_SCHEMA)
