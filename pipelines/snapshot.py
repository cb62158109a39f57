"""Stage `snapshot`: the columns that the mapping uses, as of one instant, into the warehouse."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pipelines.errors import WarehouseError
from pipelines.mapping.catalog import Catalog, Table
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.migration import Migration
from pipelines.source.connect import identity
from pipelines.source.ledger.epoch import read_epoch
from pipelines.source.ledger_part import LedgerWanted, Uncaptured, ledger_of_export
from pipelines.source.live import export_live
from pipelines.source.rds_export.live_schema import LiveSchema, live_schema
from pipelines.source.rds_export.request import ExportRequest
from pipelines.source.taken import Taken
from pipelines.warehouse.layout import (
    MANIFEST,
    MigrationFolder,
    checked_id,
    discard,
    new_id,
    read_manifest,
    write_manifest,
)
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import LedgerSeen, RdsExportOrigin, SnapshotManifest
from pipelines.warehouse.place import Place
from pipelines.warehouse.snapshots import SNAPSHOTS


def await_export(migration: Migration, url: str, request: ExportRequest, command: str) -> Place:
    """The finished RDS export that is asked for; it may be started, and awaited, for that.

    Before anything is started the mapping is checked against the source at `url`. Holds no lock: it may take hours.
    Raises MappingError, SourceError, UsageError; where it is interrupted, `command --task ID` goes on.
    """
    # Here, for boto3 takes a while, and a live snapshot has no use for it.
    from pipelines.source.rds_export.locate import locate_export
    from pipelines.source.rds_export.task import task_id

    live = _live_schema(migration, url)
    return locate_export(request, live, lambda: task_id(migration.mapping.migration, new_id()), command)


def take_snapshot(
    migration: Migration, url: str, snapshot_id: str | None = None, export: Place | None = None
) -> SnapshotManifest:
    """Takes a snapshot of the source at `url`; one of this id that is finished already is given back as it is.

    With `export` the rows come from that RDS export, and only the schema from `url`. Of an unfinished one nothing is
    kept: rows of another instant cannot be added to it. Raises SourceError, MappingError, WarehouseError, StageError;
    then it leaves nothing behind.
    """
    snapshot_id = new_id() if snapshot_id is None else checked_id(snapshot_id)
    folder = migration.folder.snapshot(snapshot_id)
    with stage_lock(migration.folder.root, "snapshot", snapshot_id):
        if (folder / MANIFEST).is_file():
            return read_manifest(folder, SnapshotManifest, migration.mapping_hash)
        remove_unfinished(migration.folder)
        try:
            folder.make_folder()
            manifest = _take(migration, url, snapshot_id, folder, export)
            write_manifest(folder, manifest)
        except OSError as error:
            discard(folder)
            raise WarehouseError(f"{folder}: cannot be written ({error.strerror})") from error
        except BaseException:
            discard(folder)
            raise
    return manifest


def remove_unfinished(folder: MigrationFolder) -> None:
    """Throws away what killed runs left. Only for the holder of the stage's lock: nobody else is at work then."""
    for entry in (folder.root / SNAPSHOTS).children():
        if entry.is_dir() and not (entry / MANIFEST).is_file():
            discard(entry)


def _take(migration: Migration, url: str, snapshot_id: str, folder: Place, location: Place | None) -> SnapshotManifest:
    started_at = datetime.now(UTC)
    taken, origin = _rows(migration, url, folder, location)
    return SnapshotManifest(
        migration=migration.mapping.migration,
        mapping_hash=migration.mapping_hash,
        id=snapshot_id,
        started_at=started_at,
        taken="live" if origin is None else "rds-export",
        source=identity(url),
        **_captured(taken.ledger),
        catalog=taken.catalog,
        columns=taken.columns,
        tables=taken.tables,
        export=origin,
    )


def _rows(
    migration: Migration, url: str, folder: Place, location: Place | None
) -> tuple[Taken, RdsExportOrigin | None]:
    if location is not None:
        from pipelines.source.rds_export.read import read_export

        taken, origin = read_export(location, _live_schema(migration, url), folder)
        return replace(taken, ledger=ledger_of_export(url, migration.mapping.migration)), origin
    refs = tables_used(migration.mapping)
    return export_live(url, refs, partial(_columns, migration), folder, ledger_of=partial(_ledger, migration)), None


def _captured(ledger: LedgerSeen | Uncaptured) -> dict[str, Any]:
    """The manifest's fields."""
    if isinstance(ledger, LedgerSeen):
        return {"captured": True, "ledger": ledger}
    return {"captured": False, "uncaptured": ledger.reason, "gap": ledger.gap}


def _ledger(migration: Migration, catalog: Catalog) -> LedgerWanted:
    return LedgerWanted(compile_mapping(migration.mapping, catalog), read_epoch(migration.folder.root))


def _live_schema(migration: Migration, url: str) -> LiveSchema:
    return live_schema(url, tables_used(migration.mapping), partial(_columns, migration))


def _columns(migration: Migration, catalog: Catalog) -> dict[Table, tuple[str, ...]]:
    return compile_mapping(migration.mapping, catalog).columns_by_table()
