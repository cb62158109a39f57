"""Streams one query's rows into one Parquet file, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
from psycopg import sql

from pipelines.errors import SourceError
from pipelines.source.arrow_session import ArrowError, ArrowSession
from pipelines.source.row_groups import RowGroups
from pipelines.source.server_error import describe
from pipelines.warehouse.place import Place

BATCH_BYTES = 2 << 20


@dataclass(frozen=True)
class Part:
    """One file of a table: what to read, the schema it must have, where it goes: `name` below `folder`."""

    table: str  # for messages
    query: sql.Composed
    schema: pa.Schema
    folder: Place
    name: str

    @property
    def place(self) -> Place:
        return self.folder / self.name


def write_part(reader: ArrowSession, part: Part, on_rows: Callable[[int], None]) -> int:
    """Rows written; the file is there, whole, when this returns. `on_rows` is told the rows of each batch, and may
    raise.

    Raises SourceError where the source fails, WarehouseError where the file cannot be written.
    """
    state: str | None = ""
    try:
        with (
            part.place.writing(durable=True) as sink,
            RowGroups(sink, part.schema) as groups,
            reader.rows(part.query.as_string(None), BATCH_BYTES) as batches,
        ):
            for batch in batches:
                groups.add(_in_physical_form(batch, part.schema))
                on_rows(batch.num_rows)
        return groups.rows
    except ArrowError as error:
        state = error.sqlstate
    raise SourceError(f"source: {part.table}: {describe(state)}")


def _in_physical_form(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """By position: PostgreSQL may have cut the names. The types are the SELECT list's doing; a cast would hide an
    error there, except that PostgreSQL's names for one Arrow type differ in their metadata."""
    found = [column.type for column in batch.columns]
    if found != schema.types:
        raise SourceError(f"the driver gave {found} where {schema.types} were asked for")
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
