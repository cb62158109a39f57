"""dynamodb_first to dynamodb_only and back: for applications both are the same, and nobody is fenced."""

from __future__ import annotations

from pipelines.errors import StageError
from pipelines.progress import Progress
from pipelines.reverse.drain import resync
from pipelines.reverse.health import read_reverse_health
from pipelines.reverse.standing import note_resync
from pipelines.source.ledger.masters import Master, Phase
from pipelines.writes.done import Done
from pipelines.writes.scene import Scene

_WHY = "RDS was not kept up: a group was at dynamodb_only"


def to_only(scene: Scene) -> Done:
    """RDS stays as it is from here on. Raises StageError, SourceError, TargetError."""
    master = scene.master()
    scene.set_master(master, Master(master.group, master.item_types, Phase.DYNAMODB_ONLY))
    scene.after("phase in the ledger")
    scene.mirror.put(Phase.DYNAMODB_ONLY, fenced=False, why="switched")
    scene.after("phase in the mirror")
    return Done(None)


def from_only(scene: Scene) -> Done:
    """The reverse relay applies what comes from here on; what has come before is read by a resync, which is noted in
    the transaction that changes the phase: whatever dies, verification is red until it is made."""
    master = scene.master()
    with scene.connection.transaction():
        note_resync(scene.connection, scene.name, _WHY)
        scene.set_master(master, Master(master.group, master.item_types, Phase.DYNAMODB_FIRST))
    scene.after("phase in the ledger")
    return finish_from_only(scene)


def finish_from_only(scene: Scene) -> Done:
    """Raises StageError, SourceError, TargetError."""
    notes: tuple[str, ...] = ()
    if read_reverse_health(scene.connection, scene.name).resync is not None:
        with Progress("resync", None, "items") as progress:
            done = resync(scene.migration, scene.url, progress)
        if done.waiting:
            notes = (
                f"{done.waiting:,} items wait to be applied to RDS; `crossover relay … --reverse --status` shows them",
            )
        if read_reverse_health(scene.connection, scene.name).resync is not None:
            raise StageError(f"group {scene.group.name}: the resync did not come to its end; run it again")
    scene.after("resync")
    scene.mirror.put(Phase.DYNAMODB_FIRST, fenced=False, why="switched")
    scene.after("phase in the mirror")
    return Done(None, notes)
