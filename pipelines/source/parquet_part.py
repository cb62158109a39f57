"""Streams one query's rows into one Parquet file, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_postgresql as adbc_postgresql
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from pipelines.errors import SourceError, WarehouseError
from pipelines.source.connect import describe

BATCH_BYTES = 8 << 20
ROW_GROUP_ROWS = 128 << 10
ROW_GROUP_BYTES = 32 << 20


@dataclass(frozen=True)
class Part:
    """One file of a table: what to read, the schema it must have, where it goes."""

    table: str  # for messages
    query: sql.Composed
    schema: pa.Schema
    path: Path


def write_part(reader: adbc.Connection, part: Part, on_rows: Callable[[int], None]) -> int:
    """Rows written; the file is on disk when this returns. `on_rows` is told the rows of each batch, and may raise.

    Raises SourceError where the source fails, WarehouseError where the file cannot be written.
    """
    state: str | None = ""
    problem: OSError | None = None
    try:
        with reader.cursor() as cursor, part.path.open("wb") as file:
            cursor.adbc_statement.set_options(
                **{adbc_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)}
            )
            cursor.execute(part.query.as_string(None))
            # Not fetch_record_batch(): an error in mid-stream loses its SQLSTATE there, and looks like one of the file.
            rows = _copy(cursor._results.reader, part, pa.PythonFile(file, "w"), on_rows)
            file.flush()
            os.fsync(file.fileno())
            return rows
    except adbc.Error as error:
        state = error.sqlstate
    except OSError as error:
        problem = error
    if problem is not None:
        raise WarehouseError(f"{part.path}: cannot be written ({problem.strerror or 'input/output error'})")
    raise SourceError(f"source: {part.table}: {describe(state)}")


def _copy(batches: pa.RecordBatchReader, part: Part, file: pa.NativeFile, on_rows: Callable[[int], None]) -> int:
    rows = 0
    with pq.ParquetWriter(file, part.schema, compression="zstd", compression_level=1) as writer:
        group: list[pa.RecordBatch] = []
        for batch in batches:
            group.append(_in_physical_form(batch, part.schema))
            rows += batch.num_rows
            on_rows(batch.num_rows)
            if _full(group):
                _flush(writer, group)
        _flush(writer, group)
    return rows


def _full(group: list[pa.RecordBatch]) -> bool:
    rows = sum(int(batch.num_rows) for batch in group)
    return rows >= ROW_GROUP_ROWS or sum(int(batch.nbytes) for batch in group) >= ROW_GROUP_BYTES


def _flush(writer: pq.ParquetWriter, group: list[pa.RecordBatch]) -> None:
    if group:
        table = pa.Table.from_batches(group)
        writer.write_table(table, row_group_size=max(table.num_rows, 1))
        group.clear()


def _in_physical_form(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """By position: PostgreSQL may have cut the names. The types are the SELECT list's doing; a cast would hide an
    error there, except that PostgreSQL's names for one Arrow type differ in their metadata."""
    found = [column.type for column in batch.columns]
    if found != schema.types:
        raise SourceError(f"the driver gave {found} where {schema.types} were asked for")
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
