"""Parquet files as Spark reads them where Spark itself has no way to them: each file in a task, by Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T  # noqa: N812

from pipelines.errors import WarehouseError
from pipelines.warehouse.place import Place

_BATCH_ROWS = 16 << 10


def read_files(spark: SparkSession, files: Sequence[Place], schema: T.StructType) -> DataFrame:
    """The columns of `schema`, no others are fetched. At least one file."""
    numbers = spark.range(0, len(files), 1, len(files))
    return numbers.mapInArrow(_Read(tuple(files), tuple(schema.names)), schema)


@dataclass(frozen=True)
class _Read:
    files: tuple[Place, ...]
    columns: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from self._rows(self.files[number])

    def _rows(self, file: Place) -> Iterator[pa.RecordBatch]:
        """A row group at a time: each is fetched once, its columns together, and then let go."""
        columns = list(self.columns)
        try:
            with file.open_input() as source:
                parquet = pq.ParquetFile(source, pre_buffer=True)
                for group in range(parquet.num_row_groups):
                    for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns):
                        yield batch.select(columns)
        except (OSError, pa.ArrowException, KeyError):
            raise WarehouseError(f"{file}: damaged, or S3 failed; run again, or take a new snapshot") from None
