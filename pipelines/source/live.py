"""Takes a snapshot over connections to the running database: one consistent cut, streamed to Parquet."""

from __future__ import annotations

import hashlib
import queue
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
from psycopg import sql

from pipelines.errors import SourceError
from pipelines.mapping.catalog import Catalog, Relation, Table, TableRef
from pipelines.progress import Progress
from pipelines.source.cut import consistent_cut
from pipelines.source.introspect import read_catalog
from pipelines.source.parquet_part import Part, write_part
from pipelines.source.select import physical_schema, select_list
from pipelines.warehouse.manifest import TableCounts

READERS = 2
PART_PAGES = 16384  # 128 MB of 8 kB pages
TID_RANGE_SCANS = 140000  # before PostgreSQL 14 each range would read the whole table
MAXIMUM_FOLDER_NAME = 200

ColumnsOf = Callable[[Catalog], dict[Table, tuple[str, ...]]]


@dataclass(frozen=True)
class Export:
    """What was taken. `columns` and `tables` per "schema.table"."""

    catalog: Catalog
    columns: dict[str, tuple[str, ...]]
    tables: dict[str, TableCounts]


def export_live(
    url: str, refs: Sequence[TableRef], columns_of: ColumnsOf, folder: Path, part_pages: int = PART_PAGES
) -> Export:
    """Writes the columns that `columns_of` chooses to `folder`/<schema>.<table>/part-NNNNN.parquet.

    `columns_of` is given the catalogue of those of `refs` that exist, as the cut sees it. Tables of more than
    `part_pages` pages are read in ranges, by two sessions at a time. Foreign tables are read, but no cut binds
    another server. Raises SourceError or WarehouseError; what was written so far stays behind.
    """
    with consistent_cut(url, refs, READERS) as cut:
        catalog = read_catalog(cut.coordinator, list(cut.sizes))
        columns = columns_of(catalog)
        _refuse_same_names(columns)
        parts = {
            table: _parts(table, names, cut.sizes[table.ref].pages, catalog.server_version, folder, part_pages)
            for table, names in columns.items()
        }
        estimates = [cut.sizes[table.ref].rows for table in columns]
        total = sum(rows for rows in estimates if rows is not None) if None not in estimates else None
        with Progress("snapshot", total, "rows") as progress:
            rows = _write_all(cut.readers, [part for some in parts.values() for part in some], progress)
    return Export(
        catalog=catalog,
        columns={str(table.ref): names for table, names in columns.items()},
        tables={str(table.ref): _counts(some, rows, folder) for table, some in parts.items()},
    )


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


def _refuse_same_names(columns: dict[Table, tuple[str, ...]]) -> None:
    names = [str(table.ref) for table in columns]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"{name}: two tables bear this name, with the dot in different places; rename one")


def _parts(
    table: Table, columns: Sequence[str], pages: int, server_version: int, folder: Path, part_pages: int
) -> list[Part]:
    query = sql.SQL("SELECT {} FROM {}").format(
        select_list(table, columns), sql.Identifier(table.ref.schema_name, table.ref.table)
    )
    split = table.relation is Relation.TABLE and server_version >= TID_RANGE_SCANS
    starts = list(range(0, pages, part_pages)) if split and pages > part_pages else [0]
    schema = physical_schema(table, columns)
    return [
        Part(
            table=str(table.ref),
            query=query + _range(first, starts[number + 1] if number + 1 < len(starts) else None),
            schema=schema,
            path=folder / table_folder(table.ref) / f"part-{number:05d}.parquet",
        )
        for number, first in enumerate(starts)
    ]


def _range(first: int, end: int | None) -> sql.Composed:
    """Pages first..end-1. The last range has no upper end: the table may have grown since its size was read."""
    bounds = [] if first == 0 else [sql.SQL("ctid >= {}::pg_catalog.tid").format(sql.Literal(f"({first},0)"))]
    if end is not None:
        bounds.append(sql.SQL("ctid < {}::pg_catalog.tid").format(sql.Literal(f"({end},0)")))
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(bounds)) if bounds else sql.Composed([])


class _StoppedError(Exception):
    """Another reader failed, or the user interrupted."""


def _write_all(readers: Sequence[adbc.Connection], parts: list[Part], progress: Progress) -> dict[Path, int]:
    """Rows per file. Each reader takes the next part when it is done; the first failure stops all."""
    waiting: queue.SimpleQueue[Part] = queue.SimpleQueue()
    for part in parts:
        part.path.parent.mkdir(mode=0o700, exist_ok=True)
        waiting.put(part)
    rows: dict[Path, int] = {}
    failures: list[BaseException] = []
    stop = threading.Event()
    one_at_a_time = threading.Lock()

    def on_rows(count: int) -> None:
        if stop.is_set():
            raise _StoppedError
        with one_at_a_time:
            progress.advance(count)

    def work(reader: adbc.Connection) -> None:
        try:
            while not (stop.is_set() or waiting.empty()):
                with suppress(queue.Empty):
                    part = waiting.get_nowait()
                    rows[part.path] = write_part(reader, part, on_rows)
        except BaseException as error:
            with one_at_a_time:
                failures.append(error)
            raise

    with ThreadPoolExecutor(len(readers), thread_name_prefix="snapshot") as pool:
        futures = [pool.submit(work, reader) for reader in readers]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
            _end(readers, futures)
    if failures:
        raise failures[0]  # the cause; the others are its consequences
    return rows


def _end(readers: Sequence[adbc.Connection], futures: Sequence[Future[None]]) -> None:
    """Cancels the queries under way: one that sorts before its first row would not notice `stop` for long.

    Again and again: a cancel that comes just before a query begins has no effect on it.
    """
    while wait(futures, timeout=0).not_done:
        for reader, future in zip(readers, futures, strict=True):
            if not future.done():
                with suppress(adbc.Error):
                    reader.adbc_cancel()
        wait(futures, timeout=0.2)


def _counts(parts: Sequence[Part], rows: dict[Path, int], folder: Path) -> TableCounts:
    return TableCounts(
        rows=sum(rows[part.path] for part in parts),
        bytes=sum(part.path.stat().st_size for part in parts),
        files=tuple(part.path.relative_to(folder).as_posix() for part in parts),
    )
