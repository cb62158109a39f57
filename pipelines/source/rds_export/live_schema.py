"""The schema that an export's strings are cast back by: that of the live database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from pipelines.mapping.catalog import Catalog, Table, TableRef
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog
from pipelines.source.taken import ColumnsOf


@dataclass(frozen=True)
class LiveSchema:
    """What the database is called, and what of it the mapping reads, as it is now."""

    database: str
    catalog: Catalog
    columns: dict[Table, tuple[str, ...]]


def live_schema(url: str, refs: Sequence[TableRef], columns_of: ColumnsOf) -> LiveSchema:
    """Raises SourceError, and what `columns_of` raises for a catalogue that lacks something."""
    with closing(connect(url)) as connection:
        catalog = read_catalog(connection, refs)
        return LiveSchema(connection.info.dbname, catalog, columns_of(catalog))
