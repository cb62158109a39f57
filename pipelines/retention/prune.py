"""Stage `prune`: takes away what the mapping's `retention` does not keep, and never what is in use.

Kept are the newest `snapshots` snapshots, each with its records and dumps, and the newest `diffs` diffs, each with its
report; beyond them whatever an unfinished backfill, diff or repair goes on with. Backfills and repairs stay: they are
small, and a repair's images are what stood there before it. Of attempts that were killed those go that are older than
the newest run of their kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pipelines.errors import UsageError
from pipelines.migration import Migration
from pipelines.retention.runs import STAGES, Run, runs_of
from pipelines.warehouse.hold import Hold, current_hold
from pipelines.warehouse.layout import MANIFEST, MigrationFolder, new_id
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.place import MissingError, Place

LOCKS = ("snapshot", "records", "dump", "diff", "report", "backfill", "repair")
"""All of them are held while something is taken away."""

_PRUNED = ("snapshots", "records", "dumps", "diffs")
_ABANDONED = "unfinished, and older than a finished one"


@dataclass(frozen=True)
class Removal:
    """A run with what goes with it, and why it goes."""

    run: Run
    also: tuple[Place, ...]
    why: str


@dataclass(frozen=True)
class PrunePlan:
    """`in_use`: runs that only stay because others need them."""

    removals: tuple[Removal, ...]
    in_use: tuple[Run, ...]
    kept: int


def plan_prune(migration: Migration) -> PrunePlan:
    """Changes nothing. Raises UsageError where the mapping keeps everything, WarehouseError."""
    retention = migration.mapping.retention
    if retention is None or (retention.snapshots is None and retention.diffs is None):
        raise UsageError("the mapping has no `retention`, so everything is kept; give it {snapshots: 7, diffs: 30}")
    runs: dict[str, list[Run]] = {stage: [] for stage in STAGES}
    for run in runs_of(migration.folder):
        runs[run.stage].append(run)
    diffs, old_diffs = _newest(runs["diffs"], retention.diffs)
    snapshots, old_snapshots = _newest(runs["snapshots"], retention.snapshots)
    used = set(_used(migration.folder, runs))
    removals = [
        *(Removal(run, (migration.folder.report(run.id),), f"beyond {retention.diffs} diffs") for run in old_diffs),
        *_with_snapshot(migration.folder, runs, old_snapshots, f"beyond {retention.snapshots} snapshots"),
        *(Removal(run, (), _ABANDONED) for stage in _PRUNED for run in _abandoned(runs[stage])),
    ]
    going = [one for one in removals if (one.run.stage, one.run.id) not in used]
    staying = [one.run for one in removals if (one.run.stage, one.run.id) in used]
    return PrunePlan(tuple(going), tuple(staying), len(diffs) + len(snapshots))


def prune(migration: Migration) -> PrunePlan:
    """Does it; killed, it can be run again. Raises as `plan_prune`, StageError while any stage is at work, and
    LostLockError where one has begun since, as after a stop of this process."""
    run_id = new_id()
    holds: list[Hold | None] = []
    with ExitStack() as locks:
        for stage in LOCKS:
            locks.enter_context(stage_lock(migration.folder.root, stage, f"prune {run_id}"))
            holds.append(current_hold())
        plan = plan_prune(migration)
        for removal in plan.removals:
            for hold in filter(None, holds):
                hold.require()
            for place in (*removal.also, removal.run.place):
                _remove(place)
    return plan


def _newest(runs: Sequence[Run], most: int | None) -> tuple[list[Run], list[Run]]:
    """The finished ones that are kept, and those that are not. What cannot be read is neither."""
    finished = [run for run in runs if run.is_finished]
    cut = 0 if most is None else max(0, len(finished) - most)
    return finished[cut:], finished[:cut]


def _with_snapshot(
    folder: MigrationFolder, runs: dict[str, list[Run]], old: Sequence[Run], why: str
) -> Iterator[Removal]:
    """Its dumps first, then its records: a snapshot that is there has all that was made of it."""
    ids = {run.id for run in old}
    for dump in runs["dumps"]:
        if dump.is_finished and _field(dump.place / MANIFEST, "snapshot_id") in ids:
            yield Removal(dump, (), why)
    for run in old:
        yield Removal(run, (folder.records(run.id),), why)


def _abandoned(runs: Sequence[Run]) -> Iterator[Run]:
    newest = max((run.at for run in runs if run.is_finished and run.at), default=None)
    for run in runs:
        if not run.is_finished and not run.problem and newest and run.at and run.at < newest:
            yield run


def _used(folder: MigrationFolder, runs: dict[str, list[Run]]) -> Iterator[tuple[str, str]]:
    """(folder, id) of what an unfinished run goes on with, and of the newest of each kind."""
    begun = [run.place / "run.json" for run in runs["backfills"] if not run.is_finished]
    begun += [run.place / "plan.json" for run in (*runs["diffs"], *runs["dumps"]) if not run.is_finished]
    for run in runs["repairs"]:
        if not run.is_finished or ((run.place / "undo.json").is_file() and not (run.place / "undone.json").is_file()):
            of = _field(run.place / "plan.json", "run_id")
            yield "diffs", of
            begun.append(folder.diff(of) / "plan.json")
    for stage in _PRUNED:
        yield from ((stage, run.id) for run in _newest(runs[stage], 1)[0])
    begun += [run.place / "plan.json" for run in _newest(runs["diffs"], 1)[0]]
    for plan in begun:
        for stage, field in (("snapshots", "snapshot_id"), ("dumps", "dump_id")):
            yield stage, _field(plan, field)


def _field(file: Place, name: str) -> str:
    """'' where there is none."""
    try:
        document = json.loads(file.read_text())
    except (MissingError, ValueError):
        return ""
    return str(document.get(name, "")) if isinstance(document, dict) else ""


def _remove(place: Place) -> None:
    """The manifest first: what is half-removed must not look whole."""
    (place / MANIFEST).remove()
    place.remove_tree()
