"""Tables as a live snapshot and one from an RDS export have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.mapping.catalog import Catalog, Table, TableRef
from pipelines.source.rds_export.live_schema import live_schema
from pipelines.source.rds_export.read import read_export
from pipelines.source.taken import Taken
from pipelines.warehouse.place import Place
from tests.chosen_columns import everything


def from_export(
    url: str,
    location: Path,
    folder: Path,
    *refs: TableRef,
    columns_of: Callable[[Catalog], dict[Table, tuple[str, ...]]] = everything,
) -> Taken:
    live = live_schema(url, refs, columns_of)
    return read_export(Place.of(location), live, folder)[0]


def content(export: Taken, folder: Path, table: str = "everything") -> pa.Table:
    tables = [pq.read_table(folder / file) for file in export.tables[f"public.{table}"].files]
    return pa.concat_tables(tables).sort_by("id")
