"""The runs of one migration as its folder in the warehouse tells them. One that cannot be read spoils no other."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.errors import WarehouseError
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.layout import MigrationFolder, read_manifest
from pipelines.warehouse.manifest import DiffManifest

DIFFS = "diffs"
_STAGES = (DIFFS, "snapshots", "records", "backfills", "dumps", "cutover")


@dataclass(frozen=True)
class UnreadRun:
    """A finished diff whose manifest cannot be read; `problem` is one line."""

    id: str
    problem: str


Run = DiffManifest | UnreadRun


@dataclass(frozen=True)
class Runs:
    """`finished`: the newest diffs, oldest first. `unfinished`: those that were begun after all of these."""

    finished: tuple[Run, ...]
    unfinished: tuple[str, ...]

    @property
    def newest(self) -> DiffManifest | None:
        """The newest that can be read."""
        return next((run for run in reversed(self.finished) if isinstance(run, DiffManifest)), None)


def is_migration(folder: MigrationFolder) -> bool:
    """Whether any stage has ever written here."""
    return any((folder.root / stage).is_dir() for stage in _STAGES)


def newest_runs(folder: MigrationFolder, most: int) -> Runs:
    """At most `most` finished ones; of any mapping: a trend does not end where a mapping was changed."""
    finished = folder.finished(DIFFS)[-most:]
    last = finished[-1] if finished else ""
    begun = [entry.name for entry in (folder.root / DIFFS).children() if entry.name > last]

    def read(run_id: str) -> Run:
        try:
            return read_manifest(folder.diff(run_id), DiffManifest)
        except WarehouseError as error:
            return UnreadRun(run_id, str(error))

    return Runs(tuple(each(read, finished, folder.root)), tuple(begun))
