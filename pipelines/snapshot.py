"""Stage `snapshot`: the columns that the mapping uses, as of one instant, into the warehouse."""

from __future__ import annotations

import contextlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

from pipelines.errors import WarehouseError
from pipelines.mapping.catalog import Catalog, Table
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.migration import Migration
from pipelines.source.connect import identity
from pipelines.source.live import export_live
from pipelines.warehouse.layout import MANIFEST, MigrationFolder, new_id, read_manifest, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import SnapshotManifest
from pipelines.warehouse.snapshots import SNAPSHOTS, checked_id, open_snapshot

__all__ = ["open_snapshot", "take_snapshot"]


def take_snapshot(migration: Migration, url: str, snapshot_id: str | None = None) -> SnapshotManifest:
    """Takes a snapshot of the source at `url`; one of this id that is finished already is given back as it is.

    Of an unfinished one nothing is kept: rows of another instant cannot be added to it. Raises SourceError,
    MappingError, WarehouseError, StageError; then it leaves nothing behind.
    """
    snapshot_id = new_id() if snapshot_id is None else checked_id(snapshot_id)
    folder = migration.folder.snapshot(snapshot_id)
    with stage_lock(migration.folder.root, "snapshot", snapshot_id):
        if (folder / MANIFEST).exists():
            return read_manifest(folder, SnapshotManifest, migration.mapping_hash)
        remove_unfinished(migration.folder)
        try:
            folder.mkdir(mode=0o700, parents=True)
            manifest = _take(migration, url, snapshot_id, folder)
            write_manifest(folder, manifest)
        except OSError as error:
            _discard(folder)
            raise WarehouseError(f"{folder}: cannot be written ({error.strerror})") from error
        except BaseException:
            _discard(folder)
            raise
    return manifest


def remove_unfinished(folder: MigrationFolder) -> None:
    """Throws away what killed runs left. Only for the holder of the stage's lock: nobody else is at work then."""
    snapshots = folder.root / SNAPSHOTS
    if snapshots.is_dir():
        for entry in snapshots.iterdir():
            if entry.is_dir() and not (entry / MANIFEST).exists():
                _discard(entry)


def _take(migration: Migration, url: str, snapshot_id: str, folder: Path) -> SnapshotManifest:
    started_at = datetime.now(UTC)

    def columns_of(catalog: Catalog) -> dict[Table, tuple[str, ...]]:
        return compile_mapping(migration.mapping, catalog).columns_by_table()

    export = export_live(url, tables_used(migration.mapping), columns_of, folder)
    return SnapshotManifest(
        migration=migration.mapping.migration,
        mapping_hash=migration.mapping_hash,
        id=snapshot_id,
        started_at=started_at,
        taken="live",
        source=identity(url),
        captured=False,
        catalog=export.catalog,
        columns=export.columns,
        tables=export.tables,
    )


def _discard(folder: Path) -> None:
    """The manifest, should it be there, goes first: a half-removed snapshot must not look whole."""
    with contextlib.suppress(OSError):
        (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
