"""The fence, put up and taken down; each part can be repeated, and told from the ledger how far it has come.

Up:    the ledger's row, the mirror, then the guards, table by table.
Down:  where RDS is the master, guards are disabled, then the row, the mirror, and at last the guards dropped;
       where DynamoDB is, the guards stay, and only the row and the mirror change.

So the ledger says `fenced` for as long as a guard may refuse what its phase would allow, and the mirror lets a store be
written only once the ledger does.
"""

from __future__ import annotations

import math
import time

from pipelines.errors import SourceError, StageError
from pipelines.source.ledger.guards import read_guards
from pipelines.source.ledger.masters import Master, fence
from pipelines.source.ledger.steps import run_steps
from pipelines.writes.scene import Scene, overtaken


def fence_off(scene: Scene, master: Master) -> Master:
    """As it is in the ledger afterwards; guards are left alone. Raises StageError, SourceError, TargetError."""
    fenced = fence(scene.connection, scene.name, master)
    if fenced is None:
        raise overtaken(scene.group)
    scene.after("fenced in the ledger")
    scene.mirror.put(master.phase, fenced=True, why="a switch has begun")
    scene.after("fenced in the mirror")
    return fenced


def guards_up(scene: Scene, deadline: float = math.inf) -> None:
    """Waits for the writers that are under way. `deadline`: by the monotonic clock. Raises SourceError where one of
    them lasts too long, StageError where all of it does."""
    for step in scene.guards.up_steps():
        if time.monotonic() >= deadline:
            raise StageError(f"group {scene.group.name}: no guard on {step.where} yet when the time was up")
        run_steps(scene.connection, [step], deadline)
        scene.after(f"guard of {step.where}")


def take_down(scene: Scene, why: str) -> Master:
    """The group is as its phase says, and not fenced. Returns what it was before. Raises StageError, SourceError,
    TargetError; it can be repeated."""
    was = scene.master()
    if was.phase.is_dynamodb:
        _mend_guards(scene)
    else:
        _guards_down(scene)
    now = Master(was.group, was.item_types, was.phase)
    if was.changed_at is not None and was.fenced:
        scene.set_master(was, now)
    scene.after("open in the ledger")
    scene.mirror.put(was.phase, fenced=False, why=why)
    scene.after("open in the mirror")
    return was


def drop_guards(scene: Scene) -> str | None:
    """Once they are disabled. A long reader can be in the way: then they stay, which costs writers nothing, and the
    note says so."""
    installed = scene.guards.mine(read_guards(scene.connection, scene.name))
    try:
        run_steps(scene.connection, scene.guards.drop_steps(installed))
    except SourceError as error:
        return f"a disabled guard is left, which does no harm: {error}"
    scene.after("guards dropped")
    return None


def _guards_down(scene: Scene) -> None:
    installed = scene.guards.mine(read_guards(scene.connection, scene.name))
    for step in scene.guards.down_steps(installed):
        run_steps(scene.connection, [step])
        scene.after(f"no guard of {step.where}")


def _mend_guards(scene: Scene) -> None:
    """Where one is missing or disabled."""
    if list(scene.guards.gaps(read_guards(scene.connection, scene.name))):
        guards_up(scene)
        scene.say(f"writes: guards of {scene.group.name} were missing or disabled, and are there again")


def blocked_seconds(scene: Scene, fenced: Master) -> float | None:
    """Since the fence was put up."""
    return None if fenced.changed_at is None else scene.seconds_since(fenced.changed_at)
