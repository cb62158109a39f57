"""Where a migration's data lies, and the manifests that say what of it is whole.

    <warehouse>/<migration>/snapshots/<snapshot_id>/<schema>.<table>/*.parquet   ledger/versions.parquet
                            records/<snapshot_id>/{records,rejects}/
                            backfills/<run_id>/   dumps/<dump_id>/   diffs/<run_id>/   reports/<run_id>/
                            repairs/<repair_id>/   assessments/<run_id>/   locks/

A folder without `manifest.json` is unfinished and is never read as whole.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from pipelines.errors import StageError, UsageError, WarehouseError
from pipelines.warehouse.hold import LostLockError, require_hold
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.manifest import FORMAT, Manifest
from pipelines.warehouse.place import MissingError, Place
from pipelines.warehouse.probe import probe_in

MANIFEST = "manifest.json"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)

M = TypeVar("M", bound=Manifest)


@dataclass(frozen=True)
class MigrationFolder:
    """The part of the warehouse that belongs to one migration."""

    root: Place

    @classmethod
    def open(cls, warehouse: Place | Path, migration: str) -> MigrationFolder:
        """Makes the folders, readable by their owner only. Raises WarehouseError where nothing can be written."""
        folder = cls(Place.of(warehouse) / migration)
        folder.root.make_folder()
        with probe_in(folder.root) as probe:
            probe.write_atomically("")
        return folder

    def snapshot(self, snapshot_id: str) -> Place:
        return self.root / "snapshots" / snapshot_id

    def records(self, snapshot_id: str) -> Place:
        return self.root / "records" / snapshot_id

    def backfill(self, run_id: str) -> Place:
        return self.root / "backfills" / run_id

    def dump(self, dump_id: str) -> Place:
        return self.root / "dumps" / dump_id

    def diff(self, run_id: str) -> Place:
        return self.root / "diffs" / run_id

    def report(self, run_id: str) -> Place:
        return self.root / "reports" / run_id

    def assessment(self, run_id: str) -> Place:
        return self.root / "assessments" / run_id

    def finished(self, stage: str) -> list[str]:
        """Ids below `snapshots`, `records`, `backfills`, `dumps` or `diffs` that are whole, oldest first."""
        folder = self.root / stage
        whole = each(lambda entry: (entry / MANIFEST).is_file(), entries := folder.children(), folder)
        return [entry.name for entry, is_whole in zip(entries, whole, strict=True) if is_whole]

    def latest(self, stage: str, what_to_do: str) -> str:
        """The newest whole id of a stage. Raises StageError, with `what_to_do`, where there is none."""
        ids = self.finished(stage)
        if not ids:
            raise StageError(f"{self.root / stage}: nothing finished here yet; {what_to_do}")
        return ids[-1]


def new_id() -> str:
    """A run's id: sorts by time (UTC), `20261124T085513-3fa2b1c`: the microseconds, and 8 random bits."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    clock = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
    return f"{clock}-{nanoseconds // 1000:05x}{secrets.token_hex(1)}"


def checked_id(id: str) -> str:
    """Of a run, a snapshot or a dump: one folder's name, never a path. Raises UsageError."""
    if not _ID.fullmatch(id):
        raise UsageError(f"{id!r}: no such id; an id has letters, digits, `-` and `_`, 100 at most")
    return id


def write_manifest(folder: Place, manifest: Manifest) -> None:
    """Atomically, and last of all a stage writes. Raises LostLockError where the stage has lost its lock."""
    require_hold()
    (folder / MANIFEST).write_atomically(manifest.model_dump_json(indent=2) + "\n")


def discard(folder: Place) -> None:
    """Removes what a stage wrote. The manifest, should it be there, goes first: a half-removed run must not look
    whole. What cannot be removed stays, unfinished; so does all where the stage has lost its lock: another run may be
    writing there."""
    with contextlib.suppress(WarehouseError, LostLockError):
        require_hold()
        (folder / MANIFEST).remove()
        folder.remove_tree()


def read_manifest(folder: Place, model: type[M], mapping_hash: str | None = None) -> M:
    """The manifest of a finished stage.

    Raises WarehouseError where it is missing, unreadable or of a newer format, and StageError where it was made
    with another mapping than `mapping_hash`.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text()
    except MissingError:
        raise WarehouseError(f"{folder}: no such run, or it did not finish (no {MANIFEST})") from None
    try:
        header = Manifest.model_validate_json(text, extra="ignore")
    except ValidationError:
        raise WarehouseError(f"{path}: not a manifest of Crossover, or damaged") from None
    if header.format > FORMAT:
        raise WarehouseError(
            f"{path}: format {header.format} is newer than this Crossover reads ({FORMAT}); upgrade it"
        )
    if mapping_hash is not None and header.mapping_hash != mapping_hash:
        raise StageError(
            f"{folder}: made with another mapping (hash {header.mapping_hash[:12]}, now {mapping_hash[:12]}); "
            "the mapping changed between two stages: start again with `crossover snapshot`"
        )
    try:
        return model.model_validate_json(text)
    except ValidationError:
        raise WarehouseError(f"{path}: not a manifest of Crossover, or damaged") from None
