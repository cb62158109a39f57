"""Takes a snapshot over connections to the running database: one consistent cut, streamed to Parquet."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from pathlib import Path

from pipelines.errors import SourceError
from pipelines.mapping.catalog import Relation, Table, TableRef
from pipelines.progress import Progress
from pipelines.source.arrow_session import ArrowError, ArrowSession
from pipelines.source.cut import consistent_cut
from pipelines.source.introspect import read_catalog
from pipelines.source.ledger_part import LedgerOf, see_ledger
from pipelines.source.parquet_part import Part, write_part
from pipelines.source.parts import PART_PAGES, page_ranges, parts_of
from pipelines.source.readers import reader_count
from pipelines.source.taken import NOT_ASKED, ColumnsOf, RowsTaken, Taken
from pipelines.warehouse.manifest import TableCounts
from pipelines.warehouse.place import Place


def export_live(
    url: str,
    refs: Sequence[TableRef],
    columns_of: ColumnsOf,
    folder: Place | Path,
    part_pages: int = PART_PAGES,
    ledger_of: LedgerOf | None = None,
) -> Taken:
    """Writes the columns that `columns_of` chooses to `folder`/<schema>.<table>/part-NNNNN.parquet.

    `columns_of` is given the catalogue of those of `refs` that exist, as the cut sees it. Tables of more than
    `part_pages` pages are read in ranges, by `reader_count()` sessions at a time. Foreign tables are read, but no cut
    binds another server. With `ledger_of` the versions of the items come from the same cut, too. Raises SourceError,
    WarehouseError or UsageError; files that were whole by then stay behind.
    """
    with consistent_cut(url, refs, reader_count()) as cut:
        catalog = read_catalog(cut.coordinator, list(cut.sizes))
        columns = columns_of(catalog)
        _refuse_same_names(columns)
        ranges = partial(page_ranges, server_version=catalog.server_version, readers=len(cut.readers))
        parts = {
            table: parts_of(table, names, ranges(table, cut.sizes[table.ref], part_pages=part_pages), Place.of(folder))
            for table, names in columns.items()
        }
        wanted = None if ledger_of is None else ledger_of(catalog)
        ledger = NOT_ASKED if wanted is None else see_ledger(cut, wanted, Place.of(folder))
        with Progress("snapshot", _estimate([cut.sizes[table.ref].rows for table in columns]), "rows") as progress:
            rows = _write_all(cut.readers, _in_order(parts), RowsTaken(progress))
    return Taken(
        catalog=catalog,
        columns={str(table.ref): names for table, names in columns.items()},
        tables={str(table.ref): _counts(some, rows) for table, some in parts.items()},
        ledger=ledger,
    )


def _estimate(rows: Sequence[int | None]) -> int | None:
    known = [count for count in rows if count is not None]
    return sum(known) if len(known) == len(rows) else None


def _refuse_same_names(columns: dict[Table, tuple[str, ...]]) -> None:
    names = [str(table.ref) for table in columns]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"{name}: two tables bear this name, with the dot in different places; rename one")


def _in_order(parts: dict[Table, list[Part]]) -> list[Part]:
    """What cannot be divided comes first: begun last, it would keep one reader at work when the others are done."""
    tables = sorted(parts, key=lambda table: table.relation is Relation.TABLE)
    return [part for table in tables for part in parts[table]]


def _write_all(readers: Sequence[ArrowSession], parts: Sequence[Part], taken: RowsTaken) -> dict[Place, int]:
    """Rows per file. Each reader takes the next part when it is done; the first failure stops all."""
    waiting: queue.SimpleQueue[Part] = queue.SimpleQueue()
    for part in parts:
        waiting.put(part)
    rows: dict[Place, int] = {}
    failures: list[BaseException] = []

    def work(reader: ArrowSession) -> None:
        try:
            while not (taken.is_stopped or waiting.empty()):
                with suppress(queue.Empty):
                    part = waiting.get_nowait()
                    rows[part.place] = write_part(reader, part, taken.add)
        except BaseException as error:
            failures.append(error)
            raise

    with ThreadPoolExecutor(len(readers), thread_name_prefix="snapshot") as pool:
        futures = [pool.submit(work, reader) for reader in readers]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            taken.stop()
            _end(readers, futures)
    if failures:
        raise failures[0]  # the cause; the others are its consequences
    return rows


def _end(readers: Sequence[ArrowSession], futures: Sequence[Future[None]]) -> None:
    """Cancels the queries under way: one that sorts before its first row would not notice the stop for long.

    Again and again: a cancel that comes just before a query begins has no effect on it.
    """
    while wait(futures, timeout=0).not_done:
        for reader, future in zip(readers, futures, strict=True):
            if not future.done():
                with suppress(ArrowError):
                    reader.cancel()
        wait(futures, timeout=0.2)


def _counts(parts: Sequence[Part], rows: dict[Place, int]) -> TableCounts:
    return TableCounts(
        rows=sum(rows[part.place] for part in parts),
        bytes=sum(part.place.size() for part in parts),
        files=tuple(part.name for part in parts),
    )
