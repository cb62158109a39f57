"""rds_first to dynamodb_first: everything that the source holds is in DynamoDB before that becomes the master."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipelines.capture import capture_status
from pipelines.errors import StageError
from pipelines.reverse.health import read_reverse_health
from pipelines.reverse.streams import enable_stream
from pipelines.source.ledger.masters import Master, Phase
from pipelines.writes.done import Done
from pipelines.writes.draining import Draining, opened_draining
from pipelines.writes.fence import blocked_seconds, fence_off, guards_up
from pipelines.writes.probe import not_there
from pipelines.writes.ready import missing_for_dynamodb
from pipelines.writes.scene import Scene

MOST_LEFT = 5_000
"""Items that may still be undelivered when writers begin to wait."""
BEFOREHAND_SECONDS = 30.0


def go_forward(scene: Scene, drain_seconds: float, begins: Callable[[], None]) -> Done:
    """`begins`: called before anything is fenced. `drain_seconds`: from then on, for the guards and the drain together.

    Raises StageError with all that is missing, SourceError, TargetError; once it has begun the fence is up then, or the
    phase has changed.
    """
    _require_ready(scene)
    _enable_streams(scene)
    with opened_draining(scene.migration, scene.url, scene.group) as draining:
        if not scene.master().fenced:  # else writers wait already
            _drain_beforehand(scene, draining)
        begins()
        fenced = _fenced(scene, draining, time.monotonic() + drain_seconds)
    scene.after("phase in the ledger")
    scene.mirror.put(Phase.DYNAMODB_FIRST, fenced=False, why="switched")
    scene.after("phase in the mirror")
    return Done(blocked_seconds(scene, fenced), _notes(scene))


def _require_ready(scene: Scene) -> None:
    status = capture_status(scene.migration, scene.url)
    missing = missing_for_dynamodb(status, scene.connection, scene.schema, scene.group)
    if missing:
        raise StageError(f"group {scene.group.name} stays at rds_first: {'; '.join(missing)}")


def _enable_streams(scene: Scene) -> None:
    """Of all that is written from the first moment on the reverse relay is told."""
    for table in dict.fromkeys(scene.schema.plan.item(name).table for name in scene.group.item_types):
        enable_stream(scene.mirror.table.client, table)
    scene.after("streams enabled")


def _drain_beforehand(scene: Scene, draining: Draining) -> None:
    left = draining.beforehand(BEFOREHAND_SECONDS)
    if left.undelivered > MOST_LEFT:
        raise StageError(
            f"group {scene.group.name} stays at rds_first: {left.undelivered:,} items are undelivered, and writers "
            "would have to wait for them; run more relays until `crossover relay … --status` shows few"
        )
    items = [scene.schema.plan.item(name) for name in scene.group.item_types]
    lacking = not_there(scene.migration, scene.url, draining.session, items)
    if lacking:
        raise StageError(f"group {scene.group.name} stays at rds_first: {'; '.join(lacking)}")


def _fenced(scene: Scene, draining: Draining, deadline: float) -> Master:
    """The fence, up to the phase in the ledger; returns what it was."""
    fenced = fence_off(scene, scene.master())
    guards_up(scene, deadline)
    now = Master(fenced.group, fenced.item_types, Phase.DYNAMODB_FIRST)
    draining.until_nothing_is_left(deadline, fenced, now, lambda: scene.after("drained"))
    return fenced


def _notes(scene: Scene) -> tuple[str, ...]:
    if read_reverse_health(scene.connection, scene.name).running:
        return ()
    return ("no reverse relay is at work: start `crossover relay … --reverse`, which brings writes back to RDS",)
