"""Finished snapshots, for the stages that read them."""

from __future__ import annotations

import re

from pipelines.errors import UsageError
from pipelines.warehouse.layout import MigrationFolder, read_manifest
from pipelines.warehouse.manifest import SnapshotManifest

SNAPSHOTS = "snapshots"
SNAPSHOT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)


def open_snapshot(folder: MigrationFolder, snapshot_id: str | None, mapping_hash: str) -> SnapshotManifest:
    """The manifest of a finished snapshot, the latest where no id is given.

    Raises StageError where there is none or the mapping has changed since, WarehouseError where it did not finish,
    UsageError where the id can be none.
    """
    chosen = folder.latest(SNAPSHOTS, "take one with `crossover snapshot`") if snapshot_id is None else snapshot_id
    return read_manifest(folder.snapshot(checked_id(chosen)), SnapshotManifest, mapping_hash)


def checked_id(snapshot_id: str) -> str:
    """An id is one folder's name, never a path."""
    if not SNAPSHOT_ID.fullmatch(snapshot_id):
        raise UsageError(f"snapshot {snapshot_id!r}: an id has letters, digits, `-` and `_`, 100 at most")
    return snapshot_id
