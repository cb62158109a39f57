"""Streams one Parquet file of an export into one of a snapshot, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import CrossoverError, SourceError
from pipelines.items.source_type import TEMPORAL
from pipelines.mapping.catalog import Column, Table
from pipelines.source.rds_export.cast_error import CastError
from pipelines.source.rds_export.column import MISSING, physical_columns
from pipelines.source.rds_export.times import Exported
from pipelines.source.row_groups import RowGroups
from pipelines.source.select import physical_schema
from pipelines.warehouse.place import Place
from pipelines.warehouse.s3_failures import arrow_failure

BATCH_BYTES = 4 << 20
MOST_ROWS = 64 << 10
READ_AHEAD_BYTES = 1 << 20


@dataclass(frozen=True)
class Part:
    """One file to read, and the one to write. `origin` None: a table without rows still has a file."""

    table: Table
    columns: tuple[str, ...]
    origin: Place | None
    destination: Place

    @property
    def schema(self) -> pa.Schema:
        return physical_schema(self.table, self.columns)


def rows_in(origin: Place) -> int:
    """By the file's footer. Raises SourceError where it is no whole Parquet file, WarehouseError where S3 fails."""
    with origin.open_input() as file:
        return int(_opened(file, origin).metadata.num_rows)


def convert(part: Part, on_rows: Callable[[int], None]) -> int:
    """Rows written. `on_rows` is told the rows of each batch, and may raise.

    Raises SourceError, naming table and column, where a value has no exact physical form; WarehouseError.
    """
    with part.destination.writing(durable=True) as sink, RowGroups(sink, part.schema) as groups:
        for batch in _batches(part):
            groups.add(batch)
            on_rows(batch.num_rows)
    return groups.rows


def _batches(part: Part) -> Iterator[pa.RecordBatch]:
    if part.origin is None:
        return
    with part.origin.open_input() as file:
        exported = _opened(file, part.origin)
        by_name = {column.name: column for column in part.table.columns}
        columns = [by_name[name] for name in part.columns]
        int96 = {column.name: _is_int96(exported, column, part) for column in columns}
        for batch in _read(exported, list(part.columns), part.origin):
            yield _physical(batch, columns, int96, part)


def _physical(batch: pa.RecordBatch, columns: list[Column], int96: dict[str, bool], part: Part) -> pa.RecordBatch:
    wanted = iter(part.schema.types)
    arrays: list[pa.Array] = []
    for column in columns:
        types = [next(wanted) for _ in range(2 if column.type.kind in TEMPORAL else 1)]
        exported = Exported(batch.column(column.name), int96[column.name])
        try:
            arrays += physical_columns(exported, column.type, types)
        except CastError as error:
            raise SourceError(f"{part.table.ref}: column {column.name!r}: {error} ({part.origin})") from None
    return pa.RecordBatch.from_arrays(arrays, schema=part.schema)


def _is_int96(exported: pq.ParquetFile, column: Column, part: Part) -> bool:
    """Raises SourceError where the file lacks the column."""
    place = exported.schema_arrow.get_all_field_indices(column.name)
    if len(place) != 1:
        raise SourceError(f"{part.table.ref}: column {column.name!r} {MISSING} ({part.origin})")
    stored = [exported.schema.column(number) for number in range(len(exported.schema))]
    return any(one.path == column.name and one.physical_type == "INT96" for one in stored)


def _read(exported: pq.ParquetFile, names: list[str], origin: Place) -> Iterator[pa.RecordBatch]:
    """In batches of about BATCH_BYTES, for rows can be wide."""
    try:
        for number in range(exported.num_row_groups):
            group = exported.metadata.row_group(number)
            a_row = group.total_byte_size // max(group.num_rows, 1)
            size = min(max(BATCH_BYTES // max(a_row, 1), 1), MOST_ROWS)
            yield from exported.iter_batches(size, row_groups=[number], columns=names, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(error, origin) from error


def _opened(file: pa.NativeFile, origin: Place) -> pq.ParquetFile:
    """INT96 in microseconds: in nanoseconds, dates before 1678 or after 2261 would become other dates."""
    try:
        return pq.ParquetFile(file, coerce_int96_timestamp_unit="us", pre_buffer=False, buffer_size=READ_AHEAD_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(error, origin) from error


def _unreadable(error: Exception, origin: Place) -> CrossoverError:
    """What S3 does not give is an OSError with S3's code in its text; of damage Arrow makes one, too."""
    if isinstance(error, OSError) and "AWS Error" in str(error):
        return arrow_failure(error, str(origin), "read")
    return SourceError(f"{origin}: cannot be read as Parquet; it is damaged or was not copied whole")
