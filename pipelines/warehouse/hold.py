"""The stage's lock as those see it who write for the stage, in its own process or in a task on another machine.

A process that was stopped for longer than a lock lives without a heartbeat may have lost it to another run. It finds
out only by looking: so it looks before everything that another run would take for whole, or would miss.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace

from pipelines.errors import StageError
from pipelines.warehouse.lock_owner import STALE_SECONDS, Owner
from pipelines.warehouse.place import MissingError, Place

LOOK_SECONDS = 2.0


class LostLockError(StageError):
    """Another run may be at work in the same folders: nothing more must be written, and nothing cleared away."""


@dataclass(frozen=True)
class Hold:
    """Picklable. `place`: the lock's file or object, which names `owner` as long as it is held."""

    place: Place
    owner: Owner
    stage: str

    def require(self) -> None:
        """Raises LostLockError, and WarehouseError where it cannot be told."""
        now = self._holder()
        if now == self.owner:
            return
        taker = f" to run {now.run_id} (process {now.pid} on {now.host})" if now is not None else ""
        raise LostLockError(
            f"{self.stage}: run {self.owner.run_id} has lost its lock{taker}, as happens to a process that was stopped "
            f"for more than {STALE_SECONDS:.0f} seconds; it writes nothing more; run it again"
        )

    def _holder(self) -> Owner | None:
        try:
            return Owner.parse(self.place.read_bytes())
        except MissingError:
            return None


_current: ContextVar[Hold | None] = ContextVar("the lock of the stage under way", default=None)


@contextlib.contextmanager
def holding(hold: Hold) -> Iterator[None]:
    before = _current.set(hold)
    try:
        yield
    finally:
        _current.reset(before)


def rename_hold(run_id: str) -> None:
    """Until the end of `holding`."""
    hold = _current.get()
    if hold is not None:
        _current.set(replace(hold, owner=replace(hold.owner, run_id=run_id)))


def current_hold() -> Hold | None:
    """Of the stage that this thread carries out; None where it needs no lock."""
    return _current.get()


def require_hold() -> None:
    """Raises LostLockError where the stage under way has lost its lock."""
    hold = current_hold()
    if hold is not None:
        hold.require()


class Lookout:
    """Looks after the lock of the stage under way, now and then: for loops that outlast a lock without a heartbeat."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def look(self) -> None:
        """Costs nothing between two looks. A process that was stopped looks at once. Raises LostLockError."""
        now = time.monotonic()
        if now - self._last >= LOOK_SECONDS:
            self._last = now
            require_hold()
