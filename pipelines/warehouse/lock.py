"""One run a migration and stage at a time.

The lock is a file that only one of two starters can make; it names its owner. A lock whose owner has died on this
machine is taken over; one that another machine or container holds is stale only once its heartbeat is older than
STALE_SECONDS.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pipelines.logs import speaking_of
from pipelines.warehouse.hold import Hold, holding, rename_hold
from pipelines.warehouse.local_lock import LocalLock
from pipelines.warehouse.lock_owner import Owner
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from pipelines.warehouse.s3_lock import S3Lock

HEARTBEAT_SECONDS = 10.0

HeldLock: TypeAlias = "LocalLock | S3Lock"


@dataclass(frozen=True)
class StageLock:
    lock: HeldLock

    def rename(self, run_id: str) -> None:
        """The stage goes on with another run than that which it would have begun."""
        self.lock.rename(run_id)
        rename_hold(run_id)


@contextlib.contextmanager
def stage_lock(migration_root: Place, stage: str, run_id: str) -> Iterator[StageLock]:
    """Holds `<migration>/locks/<stage>.lock`; inside, `require_hold` looks whether that is still so. Raises StageError,
    naming the run that holds it."""
    folder, owner = migration_root / "locks", Owner.this_process(run_id)
    lock = _take(folder, stage, owner)
    stop = threading.Event()
    beat = threading.Thread(target=_heartbeat, args=(lock, stop), daemon=True, name=f"{stage}-lock-heartbeat")
    beat.start()
    try:
        with holding(Hold(_place(folder, stage), owner, stage)), speaking_of(stage=stage, run_id=run_id):
            yield StageLock(lock)
    finally:
        stop.set()
        beat.join()
        lock.release()


def _place(folder: Place, stage: str) -> Place:
    return folder / f"{stage}.lock"


def _take(folder: Place, stage: str, owner: Owner) -> HeldLock:
    place = _place(folder, stage)
    if place.local is not None:
        folder.make_folder()
        return LocalLock.take(place.local, owner, stage)
    # Here, for boto3 takes a while, and a warehouse on a disk has no use for it.
    from pipelines.warehouse.s3_lock import S3Lock
    from pipelines.warehouse.s3_place import S3Place

    assert isinstance(place, S3Place)
    return S3Lock.take(place, owner, stage)


def _heartbeat(lock: HeldLock, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        lock.beat()
