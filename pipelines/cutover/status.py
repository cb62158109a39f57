"""Where a migration stands, and what the next state asks for, by evidence that is read now."""

from __future__ import annotations

from datetime import datetime

from pipelines.cutover.decommission.progress import Progress, Step
from pipelines.cutover.evidence import Evidence, Reads, Writes
from pipelines.cutover.gates import gates_before
from pipelines.cutover.gather import gather
from pipelines.cutover.kept import Status
from pipelines.cutover.readings import query_read
from pipelines.cutover.record import read_standing
from pipelines.cutover.states import Standing, State
from pipelines.cutover.thresholds import Thresholds
from pipelines.migration import Migration
from pipelines.target.control_table import ControlTable


def look(
    migration: Migration, table: ControlTable, now: datetime, thresholds: Thresholds
) -> tuple[Status, Evidence | None]:
    """The evidence is None where no gate asks for any. Raises TargetError where the state cannot be read."""
    standing = read_standing(table)
    following = standing.following
    if following is None:
        return Status(migration.mapping.migration, now, standing, None, (), ()), None
    evidence = gather(migration, table, standing, now)
    return status_of(migration, table, standing, evidence, thresholds), evidence


def status_of(
    migration: Migration, table: ControlTable, standing: Standing, evidence: Evidence, thresholds: Thresholds
) -> Status:
    """By evidence that is there already. Raises TargetError."""
    following = standing.following
    is_judged = following is not None and not _is_under_way(table, standing, evidence)
    gates = gates_before(following, evidence, thresholds) if following is not None and is_judged else ()
    queries = evidence.reads.queries if isinstance(evidence.reads, Reads) else ()
    shown = tuple(query_read(one) for one in queries)
    return Status(migration.mapping.migration, evidence.at, standing, following, gates, shown)


def _is_under_way(table: ControlTable, standing: Standing, evidence: Evidence) -> bool:
    """A switch that was killed leaves a fence: applications wait, and nothing that is judged afresh should hold it up.
    A decommission that is proven takes capture away, which gates would miss. Any other step is judged again."""
    if standing.moving is None or standing.moving is not standing.following:
        return False
    if standing.moving is State.DECOMMISSIONED and Step.PROVEN in Progress.read(table).steps:
        return True
    return isinstance(evidence.writes, Writes) and any(group.fenced for group in evidence.writes.groups)
