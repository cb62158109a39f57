"""A snapshot's tables as Spark reads them: the physical forms of `pipelines.items.source_type.Kind`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.dataset as ds
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T  # noqa: N812

from pipelines.errors import WarehouseError
from pipelines.items.source_type import RAW_SUFFIX, TEMPORAL, Kind
from pipelines.mapping.catalog import Table
from pipelines.warehouse.arrow_files import arrow_dataset
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.manifest import SnapshotManifest
from pipelines.warehouse.place import Place
from pipelines.warehouse.spark_files import read_files

_SPARK_TYPES: dict[Kind, T.DataType] = {
    Kind.INTEGER: T.LongType(),
    Kind.BOOLEAN: T.BooleanType(),
    Kind.BYTES: T.BinaryType(),
    Kind.DATE: T.DateType(),
    Kind.TIMESTAMP: T.TimestampNTZType(),
    Kind.TIMESTAMPTZ: T.TimestampType(),
}

_VERSIONS = T.StructType(
    [
        T.StructField("item_type", T.StringType()),
        T.StructField("source_key", T.StringType()),
        T.StructField("version", T.LongType()),
    ]
)


@dataclass(frozen=True)
class SnapshotTables:
    """Gives (table, columns) as a DataFrame: the columns under their own names, `<name>::raw` beside temporal ones.

    Raises WarehouseError where the snapshot lacks a file or a column: Spark would read such a column as NULL.
    """

    spark: SparkSession
    folder: Place
    manifest: SnapshotManifest

    def __call__(self, table: Table, columns: tuple[str, ...]) -> DataFrame:
        counts = self.manifest.tables.get(str(table.ref))
        missing = set(columns) - set(self.manifest.columns.get(str(table.ref), ()))
        if counts is None or missing:
            raise WarehouseError(f"{self.folder}: lacks columns of {table.ref} that are mapped; take a new snapshot")
        schema = physical_schema(table, columns)
        if not counts.files:
            return self.spark.createDataFrame([], schema)
        return self._read(self.files(table), schema)

    def known_versions(self) -> DataFrame | None:
        """(item_type, source_key, version) of every item that the ledger had heard of; None where there is none."""
        ledger = self.manifest.ledger
        if ledger is None or not ledger.known:
            return None
        return self._read([self._existing(ledger.file)], _VERSIONS)

    def files(self, table: Table) -> list[Place]:
        return each(self._existing, self.manifest.tables[str(table.ref)].files, self.folder)

    def for_duckdb(self, table: Table) -> list[Path] | ds.Dataset:
        """The files of a disk by their paths; those in S3 as Arrow reads them."""
        files = self.files(table)
        paths = [file.local for file in files if file.local is not None]
        return paths if len(paths) == len(files) else arrow_dataset(files)

    def rows(self, table: Table) -> int:
        return self.manifest.tables[str(table.ref)].rows

    def _read(self, files: list[Place], schema: T.StructType) -> DataFrame:
        if self.folder.local is None:
            return read_files(self.spark, files, schema)
        return (
            self.spark.read.schema(schema)
            .option("__globPaths__", "false")  # a table may be called `a*`
            .parquet(*map(str, files))
        )

    def _existing(self, file: str) -> Place:
        place = self.folder / file
        if not place.is_file():
            raise WarehouseError(f"{place}: missing; the snapshot is damaged, take a new one")
        return place


def physical_schema(table: Table, columns: tuple[str, ...]) -> T.StructType:
    fields: list[T.StructField] = []
    for column in table.columns:
        if column.name in columns:
            fields.append(T.StructField(column.name, _SPARK_TYPES.get(column.type.kind, T.StringType())))
            if column.type.kind in TEMPORAL:
                fields.append(T.StructField(column.name + RAW_SUFFIX, T.StringType()))
    return T.StructType(fields)
