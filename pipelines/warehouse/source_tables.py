"""A snapshot's tables as Spark reads them: the physical forms of `pipelines.items.source_type.Kind`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T  # noqa: N812

from pipelines.errors import WarehouseError
from pipelines.items.source_type import RAW_SUFFIX, TEMPORAL, Kind
from pipelines.mapping.catalog import Table
from pipelines.warehouse.manifest import SnapshotManifest

_SPARK_TYPES: dict[Kind, T.DataType] = {
    Kind.INTEGER: T.LongType(),
    Kind.BOOLEAN: T.BooleanType(),
    Kind.BYTES: T.BinaryType(),
    Kind.DATE: T.DateType(),
    Kind.TIMESTAMP: T.TimestampNTZType(),
    Kind.TIMESTAMPTZ: T.TimestampType(),
}


@dataclass(frozen=True)
class SnapshotTables:
    """Gives (table, columns) as a DataFrame: the columns under their own names, `<name>::raw` beside temporal ones.

    Raises WarehouseError where the snapshot lacks a file or a column: Spark would read such a column as NULL.
    """

    spark: SparkSession
    folder: Path
    manifest: SnapshotManifest

    def __call__(self, table: Table, columns: tuple[str, ...]) -> DataFrame:
        counts = self.manifest.tables.get(str(table.ref))
        missing = set(columns) - set(self.manifest.columns.get(str(table.ref), ()))
        if counts is None or missing:
            raise WarehouseError(f"{self.folder}: lacks columns of {table.ref} that are mapped; take a new snapshot")
        schema = physical_schema(table, columns)
        if not counts.files:
            return self.spark.createDataFrame([], schema)
        return (
            self.spark.read.schema(schema)
            .option("__globPaths__", "false")  # a table may be called `a*`
            .parquet(*map(str, self.files(table)))
        )

    def files(self, table: Table) -> list[Path]:
        return [self._existing(file) for file in self.manifest.tables[str(table.ref)].files]

    def rows(self, table: Table) -> int:
        return self.manifest.tables[str(table.ref)].rows

    def _existing(self, file: str) -> Path:
        path = self.folder / file
        if not path.is_file():
            raise WarehouseError(f"{path}: missing; the snapshot is damaged, take a new one")
        return path


def physical_schema(table: Table, columns: tuple[str, ...]) -> T.StructType:
    fields: list[T.StructField] = []
    for column in table.columns:
        if column.name in columns:
            fields.append(T.StructField(column.name, _SPARK_TYPES.get(column.type.kind, T.StringType())))
            if column.type.kind in TEMPORAL:
                fields.append(T.StructField(column.name + RAW_SUFFIX, T.StringType()))
    return T.StructType(fields)
