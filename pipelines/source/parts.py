"""Which query gives which file of a snapshot: big tables are read in ranges of their pages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from psycopg import sql

from pipelines.mapping.catalog import Relation, Table, TableRef
from pipelines.source.cut import TableSize
from pipelines.source.parquet_part import Part
from pipelines.source.select import physical_schema, select_list
from pipelines.warehouse.place import Place

PART_PAGES = 16384  # 128 MB of 8 kB pages
TID_RANGE_SCANS = 140000  # before PostgreSQL 14 each range would read the whole table
MAXIMUM_FOLDER_NAME = 200

PageRange = tuple[int, int | None]
"""From the first page to the one before the second, or to the end of the table."""


def parts_of(table: Table, columns: Sequence[str], ranges: Sequence[PageRange], snapshot: Place) -> list[Part]:
    """One for each of `ranges`, in `snapshot`/<schema>.<table>/part-NNNNN.parquet."""
    query = sql.SQL("SELECT {} FROM {}").format(
        select_list(table, columns), sql.Identifier(table.ref.schema_name, table.ref.table)
    )
    schema = physical_schema(table, columns)
    folder = table_folder(table.ref)
    return [
        Part(
            table=str(table.ref),
            query=query + _within(first, end),
            schema=schema,
            folder=snapshot,
            name=f"{folder}/part-{number:05d}.parquet",
        )
        for number, (first, end) in enumerate(ranges)
    ]


def page_ranges(
    table: Table, size: TableSize, server_version: int, readers: int, part_pages: int = PART_PAGES
) -> list[PageRange]:
    """Of equal length, as many for each reader, for a table of which more than `part_pages` pages are stored.

    The last one has no end: the table may have grown since its size was read.
    """
    if not reads_by_ctid(table, server_version, large=size.stored_pages > part_pages):
        return [(0, None)]
    count = -(-size.stored_pages // part_pages)
    count = max(min(count + -count % readers, size.pages), 1)
    starts = [size.pages * number // count for number in range(count)]
    return list(zip(starts, [*starts[1:], None], strict=True))


def reads_by_ctid(table: Table, server_version: int, *, large: bool) -> bool:
    """Whether it is read in ranges of its pages, for which PostgreSQL wants SELECT on all of it."""
    return large and table.relation is Relation.TABLE and server_version >= TID_RANGE_SCANS


def _within(first: int, end: int | None) -> sql.Composed:
    bounds = [] if first == 0 else [sql.SQL("ctid >= {}::pg_catalog.tid").format(sql.Literal(f"({first},0)"))]
    if end is not None:
        bounds.append(sql.SQL("ctid < {}::pg_catalog.tid").format(sql.Literal(f"({end},0)")))
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(bounds)) if bounds else sql.Composed([])


def table_folder(ref: TableRef) -> str:
    """`<schema>.<table>`, with everything outside [A-Za-z0-9_-] percent-encoded, so that no two tables share one.

    A leading `_` is encoded too: Spark takes such a folder for hidden. Very long names end in a hash.
    """
    name = f"{_encoded(ref.schema_name)}.{_encoded(ref.table)}"
    if name.startswith("_"):
        name = f"%5F{name[1:]}"
    if len(name) <= MAXIMUM_FOLDER_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"{name[: MAXIMUM_FOLDER_NAME - 33]}-{digest}"


def _encoded(name: str) -> str:
    return re.sub(rb"[^A-Za-z0-9_-]", lambda match: b"%%%02X" % ord(match[0]), name.encode()).decode("ascii")
