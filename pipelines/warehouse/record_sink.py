"""Writes what a Spark plan made, records and rejects, from inside its tasks, and counts what it wrote.

One shuffle brings each bucket into one task, so a bucket becomes one file; the task streams Arrow batches into
`BucketWriter`, in bounded memory.
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

from pipelines.items.record import REJECT_SCHEMA
from pipelines.warehouse.dataset import RECORDS, REJECTS, BucketWriter, write_table
from pipelines.warehouse.place import Place

_COUNTS_DDL = "item_type string, reason string, rows long, repeated long"


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


def write_rows(rows: DataFrame, dataset: Place | Path, buckets: int, tasks: int) -> WrittenRows:
    """`rows` as `pipelines.mapping.bulk.item_rows` makes them, into `<dataset>/records` and `<dataset>/rejects`."""
    tasks = min(tasks, buckets)
    placed = rows.repartitionById(tasks, F.pmod(F.col("bucket"), F.lit(tasks)))
    counted = placed.mapInArrow(_Sink(Place.of(dataset)), _COUNTS_DDL).collect()
    totals: Counter[tuple[str, str | None]] = Counter()
    for item_type, reason, count, _ in counted:
        totals[item_type, reason] += count
    parts = tuple(Written(item_type, reason, count) for (item_type, reason), count in totals.items())
    return WrittenRows(parts, sum(repeated for *_, repeated in counted))


@dataclass(frozen=True)
class _Sink:
    dataset: Place

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        part = f"part-{context.partitionId() if context else 0:05d}"
        counts: Counter[tuple[str, str | None]] = Counter()
        rejects: list[pa.Table] = []
        hashes: list[pa.ChunkedArray] = []
        with BucketWriter(self.dataset / RECORDS, part) as writer:
            for batch in batches:
                table = pa.Table.from_batches([batch])
                counts.update(_counted(table))
                hashes.append(table["key_hash"].drop_null())
                if table["reason"].null_count == table.num_rows:
                    writer.write(table)
                    continue
                good = pc.is_null(table["reason"])
                writer.write(table.filter(good))
                rejects.append(table.filter(pc.invert(good)).select(REJECT_SCHEMA.names).cast(REJECT_SCHEMA))
        if any(table.num_rows for table in rejects):
            write_table(pa.concat_tables(rejects), self.dataset / REJECTS / f"{part}.parquet")
        yield _as_batch(counts, _repeated(hashes))


def _counted(table: pa.Table) -> dict[tuple[str, str | None], int]:
    grouped = table.group_by(["item_type", "reason"]).aggregate([([], "count_all")])
    return {(row["item_type"], row["reason"]): row["count_all"] for row in grouped.to_pylist()}


def _repeated(hashes: list[pa.ChunkedArray]) -> int:
    every = pa.chunked_array([chunk for array in hashes for chunk in array.chunks], pa.int64())
    return len(every) - int(pc.count_distinct(every).as_py())


def _as_batch(counts: Counter[tuple[str, str | None]], repeated: int) -> pa.RecordBatch:
    """`repeated` of the whole task stands in its first row."""
    return pa.record_batch(
        {
            "item_type": pa.array([item_type for item_type, _ in counts], pa.string()),
            "reason": pa.array([reason for _, reason in counts], pa.string()),
            "rows": pa.array(counts.values(), pa.int64()),
            "repeated": pa.array([0 if n else repeated for n in range(len(counts))], pa.int64()),
        }
    )
