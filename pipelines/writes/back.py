"""dynamodb_first to rds_first: everything that DynamoDB holds is in the source before that becomes the master again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from pipelines.errors import StageError
from pipelines.masters.lease import LEASE_SECONDS
from pipelines.progress import Progress
from pipelines.reverse.drain import ReverseDrained, drain_reverse
from pipelines.reverse.health import read_reverse_health
from pipelines.source.ledger.masters import Master, Phase
from pipelines.source.ledger.sequences import Raised, raise_sequences
from pipelines.writes.done import Done
from pipelines.writes.fence import blocked_seconds, drop_guards, fence_off, take_down
from pipelines.writes.scene import Scene

LEASE_MARGIN_SECONDS = 1.0
"""For clocks that run unlike: applications keep their last request inside of the lease itself."""
LAG_SECONDS = 30.0
"""So far at most may a reverse relay at work be behind when writers begin to wait."""


def go_back(scene: Scene, drain_seconds: float, begins: Callable[[], None], *, by_streams: bool) -> Done:
    """`begins`: called before anything is fenced. `drain_seconds`: for the drain, once the leases are over.
    `by_streams`: writers do not wait until all items are compared.

    Raises StageError, SourceError, TargetError; once it has begun the fence is up then.
    """
    if not scene.master().fenced:  # else writers wait already
        _drain_beforehand(scene)
    begins()
    fenced = fence_off(scene, scene.master())
    time.sleep(LEASE_SECONDS + LEASE_MARGIN_SECONDS)
    scene.after("applications' leases are over")
    _require_all(scene, _drain(scene, time.monotonic() + drain_seconds, by_streams=by_streams, at_rest=True))
    scene.after("drained")
    notes = tuple(_told(raise_sequences(scene.connection, scene.guards.members)))
    if by_streams:
        notes = (*notes, "not all items were compared: `crossover verify …` names what a stream has told too late")
    scene.after("sequences raised")
    back = Master(fenced.group, fenced.item_types, Phase.RDS_FIRST, fenced=True)
    scene.set_master(fenced, back)
    scene.after("phase in the ledger")
    return finish_back(scene, fenced, notes)


def _drain_beforehand(scene: Scene) -> None:
    health = read_reverse_health(scene.connection, scene.name)
    if not health.running or health.lag_seconds is None or health.lag_seconds > LAG_SECONDS or not health.is_in_step:
        scene.say("writes: no reverse relay is in step; what it has left is applied first")
        _require_all(scene, _drain(scene, None))


def finish_back(scene: Scene, fenced: Master, notes: tuple[str, ...] = ()) -> Done:
    """From where the ledger says that RDS is the master, and fenced still."""
    take_down(scene, "switched")
    blocked = blocked_seconds(scene, fenced)
    left = drop_guards(scene)
    return Done(blocked, notes if left is None else (*notes, left))


def _drain(scene: Scene, deadline: float | None, *, by_streams: bool = False, at_rest: bool = False) -> ReverseDrained:
    with _Until(deadline, scene.group.name) as progress:
        types = frozenset(scene.group.item_types)
        return drain_reverse(
            scene.migration, scene.url, progress, by_streams=by_streams, at_rest=at_rest, item_types=types
        )


def _require_all(scene: Scene, drained: ReverseDrained) -> None:
    lasting = drained.waiting - drained.moving
    if not lasting:
        return
    shown = f" ({'; '.join(drained.problems)})" if drained.problems else ""
    raise StageError(
        f"group {scene.group.name}: {lasting:,} items cannot be applied to RDS{shown}; "
        "`crossover relay … --reverse --status` shows them; mend them first"
    )


def _told(raised: list[Raised]) -> Iterator[str]:
    for one in raised:
        if one.beyond:
            yield f"sequence {one.sequence}: a number stands in its column that it cannot reach; look at it"
        elif one.to is not None:
            cached = "; sessions that hold back values of it (CACHE) must connect again" if one.cached else ""
            yield f"sequence {one.sequence} goes on after {one.to}{cached}"


class _Until(Progress):
    """A drain's progress, which ends it with StageError once the time is up."""

    def __init__(self, deadline: float | None, group: str) -> None:
        super().__init__("writes", None, "items")
        self._deadline = deadline
        self._group = group

    def advance(self, count: int) -> None:
        super().advance(count)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise StageError(f"group {self._group}: not all of DynamoDB's items were in RDS when the time was up")
