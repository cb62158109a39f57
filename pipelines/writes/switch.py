"""The switch of a group's master: fence, drain, phase; forward and back (docs/writes.md).

    rds_first  →  dynamodb_first  →  dynamodb_only      and back, one phase at a time

The ledger's row is the truth. Every step can be repeated, and what is to be done next is told by that row alone: so a
switch that was killed goes on when the same is asked for again, or is taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.errors import CrossoverError, SourceError, StageError, TargetError, UsageError
from pipelines.migration import Migration
from pipelines.progress import tell
from pipelines.reverse.drain import QUIET_SECONDS
from pipelines.source.ledger.guards import read_guards
from pipelines.source.ledger.masters import Master, Phase
from pipelines.target.control_table import ControlTable
from pipelines.writes.back import finish_back, go_back
from pipelines.writes.done import Done
from pipelines.writes.fence import blocked_seconds, drop_guards, take_down
from pipelines.writes.forward import go_forward
from pipelines.writes.only import finish_from_only, from_only, to_only
from pipelines.writes.scene import Scene, opened_scene

DRAIN_SECONDS = 60.0
LEAST_BY_STREAMS = QUIET_SECONDS + 1.0
"""Of a drain by the streams: with less it could only fail, after writers have waited for it."""


@dataclass(frozen=True)
class Switched:
    """`changed`: whether the phase is another than before. `blocked_seconds`: for how long neither store took the
    group's writes, None where it was never fenced. `notes`: what an operator should know, one line each."""

    group: str
    was: Phase
    phase: Phase
    changed: bool
    blocked_seconds: float | None
    notes: tuple[str, ...] = ()


def _nothing(_: str) -> None:
    """No hook."""


def switch(
    migration: Migration,
    url: str,
    group: str,
    phase: Phase,
    *,
    drain_seconds: float | None = None,
    by_streams: bool = False,
    table: ControlTable | None = None,
    say: Callable[[str], None] = tell,
    after: Callable[[str], None] = _nothing,
) -> Switched:
    """`group`: its name, or that of one of its item types. Killed at any moment, the same call goes on.

    Writers wait for about `drain_seconds` at most (DRAIN_SECONDS unless given), then the fence is taken down again, as
    after any error.
    `by_streams`: on the way back to RDS they do not wait for the comparison of all items. `after`: told the name of
    each step that is done. Raises UsageError, StageError with all that is missing, SourceError, TargetError,
    MappingError, WarehouseError; then the group is in the phase in which it was, and the message says if it is fenced
    still. A switch from dynamodb_only whose resync fails has left it: the ledger says dynamodb_first, and verification
    is red until the same call has made the resync.
    """
    draining = DRAIN_SECONDS if drain_seconds is None else drain_seconds
    if by_streams and draining < LEAST_BY_STREAMS:
        raise UsageError(
            f"--drain-seconds {draining:g}: by the streams it takes {QUIET_SECONDS:g} in which they are quiet, and a "
            f"moment; give {LEAST_BY_STREAMS:g} or more"
        )
    attempt = _Attempt(phase, draining, by_streams=by_streams)
    try:
        with opened_scene(migration, url, group, table, say, after) as scene:
            return attempt.run(scene)
    except (CrossoverError, KeyboardInterrupt) as error:
        if not attempt.begun:
            raise
        failure = error
    return _opened_again(migration, url, group, table, say, after, attempt, failure)


def abort(
    migration: Migration,
    url: str,
    group: str,
    *,
    table: ControlTable | None = None,
    say: Callable[[str], None] = tell,
    after: Callable[[str], None] = _nothing,
) -> Switched:
    """Takes a fence down again: the group's writes go on where its phase says. Raises as `switch`."""
    with opened_scene(migration, url, group, table, say, after) as scene:
        master = scene.master()
        done = _settled(scene, master, "taken back")
        return Switched(scene.group.name, master.phase, master.phase, False, done.blocked_seconds, done.notes)


class _Attempt:
    """`begun`: whether something may have been changed."""

    def __init__(self, phase: Phase, drain_seconds: float, *, by_streams: bool) -> None:
        self._phase = phase
        self._by_streams = by_streams
        self._drain_seconds = drain_seconds
        self.was = phase
        self.begun = False

    def run(self, scene: Scene) -> Switched:
        master = scene.master()
        self.was, self.begun = master.phase, master.fenced
        done = self._done(scene, master)
        changed = self.was is not self._phase
        return Switched(scene.group.name, self.was, self._phase, changed, done.blocked_seconds, done.notes)

    def _begins(self) -> None:
        self.begun = True

    def _done(self, scene: Scene, master: Master) -> Done:
        match master.phase, self._phase:
            case Phase.RDS_FIRST, Phase.DYNAMODB_FIRST:
                return go_forward(scene, self._drain_seconds, self._begins)
            case Phase.DYNAMODB_FIRST, Phase.RDS_FIRST:
                return go_back(scene, self._drain_seconds, self._begins, by_streams=self._by_streams)
            case Phase.DYNAMODB_FIRST, Phase.DYNAMODB_ONLY:
                _require_no_fence(master)
                return to_only(scene)
            case Phase.DYNAMODB_ONLY, Phase.DYNAMODB_FIRST:
                _require_no_fence(master)
                return from_only(scene)
            case was, now if was is now:
                return _settled(scene, master, "finished")
        raise StageError(
            f"group {scene.group.name} is at {master.phase}: {self._phase} is two phases away; "
            f"switch to {Phase.DYNAMODB_FIRST} first"
        )


def _require_no_fence(master: Master) -> None:
    if master.fenced:
        raise StageError(
            f"group {master.group}: a switch to {Phase.RDS_FIRST} is under way; let it come to its end, or --abort it"
        )


def _settled(scene: Scene, master: Master, why: str) -> Done:
    """In the phase in which it is: no fence, the mirror says so, and guards stand where they must, and only there."""
    if _resyncs(scene, master):
        return finish_from_only(scene)
    if _is_in_step(scene, master):
        return Done(None)
    if not master.phase.is_dynamodb:
        return finish_back(scene, master) if master.fenced else _opened(scene, why)
    take_down(scene, why)
    return Done(blocked_seconds(scene, master) if master.fenced else None)


def _opened(scene: Scene, why: str) -> Done:
    take_down(scene, why)
    left = drop_guards(scene)
    return Done(None, () if left is None else (left,))


def _resyncs(scene: Scene, master: Master) -> bool:
    """A switch from dynamodb_only was killed before the mirror heard of it."""
    told = None if scene.mirror.document is None else scene.mirror.document.get("phase")
    return master.phase is Phase.DYNAMODB_FIRST and not master.fenced and told == Phase.DYNAMODB_ONLY.value


def _is_in_step(scene: Scene, master: Master) -> bool:
    installed = scene.guards.mine(read_guards(scene.connection, scene.name))
    as_it_should = not list(scene.guards.gaps(installed)) if master.phase.is_dynamodb else not installed
    return as_it_should and not master.fenced and scene.mirror.says(master.phase, fenced=False)


def _opened_again(
    migration: Migration,
    url: str,
    group: str,
    table: ControlTable | None,
    say: Callable[[str], None],
    after: Callable[[str], None],
    attempt: _Attempt,
    failure: CrossoverError | KeyboardInterrupt,
) -> Switched:
    """After an error, by a session of its own. The phase may have changed before it."""
    say(f"writes: {str(failure) or 'interrupted'}; the fence is taken down")
    try:
        done = abort(migration, url, group, table=table, say=say, after=after)
    except CrossoverError as error:
        raise _told(
            failure, f"and the fence may stand still ({error}): run `crossover writes … {group} --abort`"
        ) from None
    if done.phase is not attempt.was:  # it had come to its end but for the mirror, which has heard of it now
        return Switched(done.group, attempt.was, done.phase, True, done.blocked_seconds, done.notes)
    raise _told(failure, f"{done.group} goes on at {done.phase}, without a fence") from None


def _told(failure: CrossoverError | KeyboardInterrupt, more: str) -> CrossoverError | KeyboardInterrupt:
    text = f"{str(failure) or 'interrupted'}; {more}"
    match failure:
        case KeyboardInterrupt():
            return KeyboardInterrupt(text)
        case SourceError():
            return SourceError(text)
        case TargetError():
            return TargetError(text)
    return StageError(text)
