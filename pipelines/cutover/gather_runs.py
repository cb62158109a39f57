"""Evidence that lies in the warehouse: assessments, backfills, verifications."""

from __future__ import annotations

from datetime import datetime

from pipelines.assess.folder import DESIGN, EVIDENCE, read_evidence
from pipelines.cutover.evidence import Assessed, Backfilled, Unknown, Unread, Verifications, Verified
from pipelines.errors import WarehouseError
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.layout import MigrationFolder, read_manifest
from pipelines.warehouse.manifest import BackfillManifest, DiffManifest, RecordsManifest, SnapshotManifest

MOST_RUNS = 30
"""Verifications that are looked at, of those that have finished."""


def newest_assessment(folder: MigrationFolder) -> Assessed | Unknown:
    """The newest that can be read, of those in the migration's folder: `crossover assess --out` writes there, too."""
    place = folder.root / "assessments"
    why = ""
    try:
        for run in reversed(place.children()):
            if not (run / DESIGN).is_file():
                why = why or f"assessment {run.name} did not finish"
                continue
            try:
                return Assessed(run.name, read_evidence(run / EVIDENCE).taken_at)
            except WarehouseError as error:
                why = why or _line(error)
    except WarehouseError as error:
        why = _line(error)
    return Unknown(why or "no assessment is in the warehouse", f"run `crossover assess --out {place}/FIRST`")


def newest_backfill(folder: MigrationFolder) -> Backfilled | Unknown:
    try:
        runs = folder.finished("backfills")
        if not runs:
            return Unknown("no backfill has finished")
        found = read_manifest(folder.backfill(runs[-1]), BackfillManifest)
    except WarehouseError as error:
        return Unknown(_line(error))
    epoch, of_records = _records(folder, found.snapshot_id)
    return Backfilled(
        run_id=found.id,
        mapping_hash=found.mapping_hash,
        finished_at=found.finished_at,
        epoch=epoch,
        of_records=of_records,
        records=found.records,
        conflicts=found.conflicts,
        failed=found.failed,
    )


def last_verifications(folder: MigrationFolder) -> Verifications | Unknown:
    """Of whatever mapping, and whoever made them."""
    try:
        finished = folder.finished("diffs")[-MOST_RUNS:]
        last = finished[-1] if finished else ""
        begun = [entry.name for entry in (folder.root / "diffs").children() if entry.name > last]
        runs = each(lambda run_id: _verified(folder, run_id), finished, folder.root)
    except WarehouseError as error:
        return Unknown(_line(error))
    if not runs and not begun:
        return Unknown("no verification has finished")
    return Verifications(tuple(runs), tuple(begun))


def _verified(folder: MigrationFolder, run_id: str) -> Verified | Unread:
    try:
        found = read_manifest(folder.diff(run_id), DiffManifest)
    except WarehouseError as error:
        return Unread(run_id, _line(error))
    return Verified(
        run_id=run_id,
        snapshot_id=found.snapshot_id,
        dump_id=found.dump_id,
        began_at=found.snapshot_started_at or _snapshot_began(folder, found.snapshot_id),
        finished_at=found.finished_at,
        mapping_hash=found.mapping_hash,
        epoch=_records(folder, found.snapshot_id)[0] if found.epoch is None else found.epoch,
        mode=found.mode,
        coverage=found.coverage,
        consistent=found.consistent,
        items=found.union,
        reasons=found.reasons,
    )


def _records(folder: MigrationFolder, snapshot_id: str) -> tuple[int | None, int | None]:
    """Their ledger's epoch, and how many they are."""
    try:
        found = read_manifest(folder.records(snapshot_id), RecordsManifest)
    except WarehouseError:  # it may have been pruned
        return None, None
    return (found.ledger.epoch if found.ledger is not None else None), found.records


def _snapshot_began(folder: MigrationFolder, snapshot_id: str) -> datetime | None:
    try:
        return read_manifest(folder.snapshot(snapshot_id), SnapshotManifest).started_at
    except WarehouseError:
        return None


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
