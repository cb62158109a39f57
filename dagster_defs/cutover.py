"""Whether the migration could take its next state, as a check beside the report: it warns of each gate that is not
passed, and keeps the page over all migrations up to date."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from dagster_defs.check import WARN, Check, Finding, Newest
from expectations.overview import refresh_overview
from pipelines.cutover.kept import Status, keep_status, kept_status
from pipelines.cutover.record import read_standing
from pipelines.cutover.status import look
from pipelines.cutover.thresholds import Thresholds
from pipelines.errors import TargetError
from pipelines.migration import Migration
from pipelines.settings import warehouse_address
from pipelines.target.control_table import ControlTable
from pipelines.warehouse.place import Place

READINESS = "cutover_readiness"


def cutover_checks() -> list[Check]:
    described = "All that the cut-over's next state asks for is there; passed, too, before the cut-over is begun."
    return [Check(READINESS, described, _look, WARN)]


def _look(newest: Newest) -> Finding:
    migration = newest.migration
    table = ControlTable.of(migration.mapping.migration)
    try:
        is_begun = read_standing(table).version > 0
    except TargetError as error:
        if kept_status(migration.folder) is not None:
            raise
        return Finding(True, f"skipped: no cut-over is known here, and {str(error).splitlines()[0]}")
    if not is_begun:
        return Finding(True, "the cut-over has not been begun")
    status, _ = look(migration, table, datetime.now(UTC), Thresholds())
    keep_status(migration.folder, status)
    refresh_overview(Place.of(warehouse_address()))
    return _finding(migration, status)


def _finding(migration: Migration, status: Status) -> Finding:
    name, missing = status.standing.name, status.missing
    numbers: dict[str, int | str] = {"state": name, "gates": len(status.gates), "gates_missing": len(missing)}
    if status.following is None:
        return Finding(True, name, numbers=numbers)
    numbers["next"] = status.following.value
    command = shlex.join(["crossover", "cutover", str(migration.path)])
    if status.standing.moving is not None:
        said = f"{name}; the step to {status.standing.moving} was begun and has not ended"
        return Finding(False, said, f"`{command} advance` goes on, `{command} rollback` undoes it", numbers)
    said = f"{name}, next {status.following}"
    return Finding(
        not missing,
        f"{said}: {'; '.join(f'{gate.name}: {gate.said}' for gate in missing)}" if missing else f"{said}: ready",
        missing[0].remedy if missing else "",
        numbers,
    )
