"""Takes a snapshot from an RDS export: the dataset that `live` would have given when the RDS snapshot was taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from pipelines.errors import SourceError
from pipelines.mapping.catalog import Table
from pipelines.progress import Progress, tell
from pipelines.source.parts import table_folder
from pipelines.source.rds_export.cast_error import CastError
from pipelines.source.rds_export.column import check_unchanged
from pipelines.source.rds_export.convert import Part, convert, rows_in
from pipelines.source.rds_export.export_warnings import warnings_in_tables_info, warnings_of_task
from pipelines.source.rds_export.exportable import check_exportable
from pipelines.source.rds_export.info import ExportInfo, TableInfo, read_export_info, read_tables_info
from pipelines.source.rds_export.live_schema import LiveSchema
from pipelines.source.rds_export.table_files import check_listed, check_own_folder, part_files, target_of
from pipelines.source.taken import RowsTaken, StoppedError, Taken
from pipelines.warehouse.manifest import RdsExportOrigin, TableCounts
from pipelines.warehouse.place import Place

WORKERS = 2

T = TypeVar("T")


def read_export(location: Place, live: LiveSchema, folder: Path | Place) -> tuple[Taken, RdsExportOrigin]:
    """Writes the mapped tables of the export at `location` to `folder`/<schema>.<table>/part-NNNNN.parquet.

    Raises SourceError where the export is not whole, warns about one of them, or holds what cannot be given the form
    of a live snapshot exactly; WarehouseError. What was written so far stays behind.
    """
    check_exportable(live)
    info = read_export_info(location)
    parts = _parts(location, live, info, Place.of(folder))
    origins = [part.origin for some in parts.values() for part in some if part.origin is not None]
    footers = dict(zip(origins, _in_threads(rows_in, origins), strict=True))
    with Progress("snapshot", sum(footers.values()), "rows") as progress:
        rows = _convert_all([part for some in parts.values() for part in some], RowsTaken(progress))
    for part, written in rows.items():
        if part.origin is not None and written != footers[part.origin]:
            raise SourceError(f"{part.origin}: gave {written} rows, not the {footers[part.origin]} of its footer")
    taken = Taken(
        catalog=live.catalog,
        columns={str(table.ref): names for table, names in live.columns.items()},
        tables={str(table.ref): _counts(some, rows) for table, some in parts.items()},
    )
    return taken, RdsExportOrigin(
        task=info.export_task_identifier,
        location=str(location),
        source_arn=info.source_arn,
        snapshot_time=info.snapshot_time,
    )


def _parts(location: Place, live: LiveSchema, info: ExportInfo, folder: Place) -> dict[Table, list[Part]]:
    """Checks all that can be checked before a row is read."""
    tables = read_tables_info(location, info.export_task_identifier)
    targets = {table: target_of(live.database, table.ref) for table in live.columns}
    wanted = list(targets.values())
    for line in warnings_of_task(info.warning_message, wanted) + warnings_in_tables_info(tables, wanted):
        tell(line)
    parts = {}
    for table, target in targets.items():
        listed = check_listed(table, target, tables)
        _check_types(table, live.columns[table], listed)
        check_own_folder(table, target, [*tables, *wanted])
        files = part_files(location, live.database, table, listed)
        parts[table] = _parts_of(table, live.columns[table], files, folder)
    return parts


def _check_types(table: Table, columns: Sequence[str], listed: TableInfo) -> None:
    for column in table.columns:
        if column.name in columns:
            try:
                check_unchanged(listed.original_type(column.name), column.type)
            except CastError as error:
                raise SourceError(f"{table.ref}: column {column.name!r} {error}; export a newer snapshot") from None


def _parts_of(table: Table, columns: tuple[str, ...], files: Sequence[Place], folder: Place) -> list[Part]:
    place = folder / table_folder(table.ref)
    return [
        Part(table, columns, origin, place / f"part-{number:05d}.parquet")
        for number, origin in enumerate(files or [None])
    ]


def _convert_all(parts: Sequence[Part], taken: RowsTaken) -> dict[Part, int]:
    """Rows per part; the first failure stops all."""
    rows = _in_threads(lambda part: convert(part, taken.add), parts, taken.stop)
    return dict(zip(parts, rows, strict=True))


def _in_threads(work: Callable[[T], int], items: Sequence[T], stop: Callable[[], None] | None = None) -> list[int]:
    """In the order of `items`. Raises the first failure, once no work is under way any more."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="rds-export") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            if stop is not None:
                stop()
            pool.shutdown(wait=True, cancel_futures=True)
    _raise_first(futures)
    return [future.result() for future in futures]


def _raise_first(futures: Iterable[Future[int]]) -> None:
    """The cause; that others were stopped or never began is its consequence."""
    failures = [error for future in futures if not future.cancelled() and (error := future.exception()) is not None]
    for error in failures:
        if not isinstance(error, StoppedError):
            raise error


def _counts(parts: Sequence[Part], rows: dict[Part, int]) -> TableCounts:
    return TableCounts(
        rows=sum(rows[part] for part in parts),
        bytes=sum(part.destination.size() for part in parts),
        files=tuple(f"{part.destination.parent.name}/{part.destination.name}" for part in parts),
    )
