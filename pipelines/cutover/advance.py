"""One state forward, where the evidence allows it; and one state back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from pipelines.cutover.decommission.steps import Decommission, Verify, undo
from pipelines.cutover.gate import Gate
from pipelines.cutover.kept import Status, keep_status
from pipelines.cutover.reads import require_kept_up, set_back
from pipelines.cutover.record import begin, enter, read_standing
from pipelines.cutover.states import State
from pipelines.cutover.status import look, status_of
from pipelines.cutover.thresholds import Thresholds
from pipelines.cutover.writes import lines, switch_each
from pipelines.errors import StageError
from pipelines.migration import Migration
from pipelines.progress import tell
from pipelines.routing.stage import Stage
from pipelines.source.connect import source_url
from pipelines.source.ledger.masters import Phase
from pipelines.target.control_table import ControlTable
from pipelines.warehouse.layout import new_id
from pipelines.warehouse.lock import stage_lock

Now: TypeAlias = Callable[[], datetime]
Work: TypeAlias = Callable[[State], tuple[str, ...]]
"""What a step does beside the record; a line for each thing done. Killed, the same call goes on."""

FORWARD = {State.DYNAMODB_FIRST: Phase.DYNAMODB_FIRST, State.DYNAMODB_ONLY: Phase.DYNAMODB_ONLY}
BACK = {State.READS_MOVED: Phase.RDS_FIRST, State.DYNAMODB_FIRST: Phase.DYNAMODB_FIRST}
READS = {State.READS_SHADOWED: Stage.SHADOW, State.VERIFIED: Stage.RDS}
WITH_WORK = (*FORWARD, State.DECOMMISSIONED)


@dataclass(frozen=True)
class Moved:
    of: str
    to: State
    gates: tuple[Gate, ...]
    lines: tuple[str, ...]


def now_utc() -> datetime:
    return datetime.now(UTC)


def advance(migration: Migration, table: ControlTable, thresholds: Thresholds, work: Work, now: Now = now_utc) -> Moved:
    """Raises StageError with a line for each gate that is not passed, and what `work` raises; then the state is the
    one that it was, and the same call goes on."""
    table.create()
    with stage_lock(migration.folder.root, "cutover", new_id()):
        status, evidence = look(migration, table, now(), thresholds)
        keep_status(migration.folder, status)
        to = status.following
        if to is None or evidence is None:
            raise StageError(f"{status.migration} is {status.standing.name}: there is no state after it")
        if status.missing:
            raise StageError(refusal(status))
        lines: tuple[str, ...] = ()
        standing = status.standing
        if to in WITH_WORK:
            standing = begin(table, standing, to, migration.mapping_hash, status.gates, now())
            lines = work(to)
        entered = enter(table, standing, to, migration.mapping_hash, status.gates, now())
        if to in WITH_WORK:
            _keep(migration, table, thresholds, now())
        else:
            known = replace(evidence, state_since=entered.since, moving=entered.moving)
            keep_status(migration.folder, status_of(migration, table, entered, known, thresholds))
    return Moved(status.standing.name, to, status.gates, lines)


def rollback(
    migration: Migration, table: ControlTable, thresholds: Thresholds, work: Work, now: Now = now_utc
) -> Moved:
    """One state back, whatever the evidence; or, where a step forward was begun and has not ended, back to the state
    that it was begun in. Raises StageError where there is no way back, and what `work` raises."""
    with stage_lock(migration.folder.root, "cutover", new_id()):
        standing = read_standing(table)
        to = standing.preceding if standing.moving is None else standing.state
        if to is None or standing.state is State.DECOMMISSIONED:
            raise StageError(f"{migration.mapping.migration} is {standing.name}: there is no way back from it")
        lines = work(to)
        enter(table, standing, to, migration.mapping_hash, (), now())
        _keep(migration, table, thresholds, now())
    return Moved(standing.name, to, (), lines)


def stores_forward(
    migration: Migration,
    table: ControlTable,
    thresholds: Thresholds,
    verify: Verify,
    say: Callable[[str], None] = tell,
    now: Now = now_utc,
    *,
    drain_seconds: float | None = None,
) -> Work:
    """What advancing does to the writes of every group, and in the end. `drain_seconds`: as `switch` takes it."""

    def work(to: State) -> tuple[str, ...]:
        url = source_url(migration.mapping)
        if to is State.DECOMMISSIONED:
            return Decommission(migration, url, table, thresholds, verify, now, say).run()
        return tuple(lines(switch_each(migration, url, table, FORWARD[to], say, drain_seconds=drain_seconds)))

    return work


def stores_back(
    migration: Migration,
    table: ControlTable,
    say: Callable[[str], None] = tell,
    now: Now = now_utc,
    *,
    drain_seconds: float | None = None,
    by_streams: bool = False,
) -> Work:
    """What rolling back does to queries, or to the writes of every group. `drain_seconds`, `by_streams`: as `switch`
    takes them."""

    def work(to: State) -> tuple[str, ...]:
        if to in READS:
            require_kept_up(table)
            return tuple(set_back(table, READS[to], now()))
        if to is State.DYNAMODB_ONLY:
            return undo(migration, source_url(migration.mapping), table, say)
        if to in BACK:
            url = source_url(migration.mapping)
            groups = switch_each(
                migration, url, table, BACK[to], say, drain_seconds=drain_seconds, by_streams=by_streams
            )
            return tuple(lines(groups))
        return ()

    return work


def refusal(status: Status) -> str:
    """A line for each gate that is not passed."""
    assert status.following is not None
    head = f"{status.migration} stays {status.standing.name}; before {status.following}:"
    return "\n".join([head, *(f"  {gate.line}" for gate in status.missing)])


def _keep(migration: Migration, table: ControlTable, thresholds: Thresholds, now: datetime) -> None:
    keep_status(migration.folder, look(migration, table, now, thresholds)[0])
