"""Finished snapshots, for the stages that read them."""

from __future__ import annotations

from pipelines.warehouse.layout import MigrationFolder, checked_id, read_manifest
from pipelines.warehouse.manifest import SnapshotManifest

SNAPSHOTS = "snapshots"


def open_snapshot(folder: MigrationFolder, snapshot_id: str | None, mapping_hash: str) -> SnapshotManifest:
    """The manifest of a finished snapshot, the latest where no id is given.

    Raises StageError where there is none or the mapping has changed since, WarehouseError where it did not finish,
    UsageError where the id can be none.
    """
    chosen = folder.latest(SNAPSHOTS, "take one with `crossover snapshot`") if snapshot_id is None else snapshot_id
    return read_manifest(folder.snapshot(checked_id(chosen)), SnapshotManifest, mapping_hash)
