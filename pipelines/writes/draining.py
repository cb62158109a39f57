"""Delivers what is left of a group, with a deadline: writers wait for it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipelines.deliver.deliverer import Deliverer
from pipelines.deliver.drain import Drain, Drained
from pipelines.deliver.opened import opened_deliverer, opened_ledger
from pipelines.errors import StageError
from pipelines.mapping.groups import Group
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.source.ledger.backfills import open_backfills
from pipelines.source.ledger.masters import Master, set_master
from pipelines.source.ledger.undelivered import Rest, rest
from pipelines.writes.scene import overtaken

_PAUSE_SECONDS = 0.2
_PASSES_BEFOREHAND = 3  # rows that are written all the time are never all delivered
_LEASE_SECONDS = 15.0
"""Short: should this process die, the same command, run again, waits for them while writers wait for it."""
_SHOWN = 3


@contextmanager
def opened_draining(migration: Migration, url: str, group: Group) -> Iterator[Draining]:
    """Raises StageError where capture is not on, or for another mapping; SourceError, TargetError, MappingError."""
    with (
        opened_ledger(migration, url) as ledger,
        opened_deliverer(migration, ledger, _LEASE_SECONDS) as deliverer,
    ):
        yield Draining(deliverer, group)


class _LateError(Exception):
    """The deadline is over."""


class Draining:
    """Of one group. Deadlines are of the monotonic clock."""

    def __init__(self, deliverer: Deliverer, group: Group) -> None:
        self.session = deliverer.session
        self._deliverer = deliverer
        self._group = group

    def beforehand(self, seconds: float) -> Rest:
        """While writers go on: what can be delivered now, so that little is left for when they wait. Raises StageError,
        SourceError, TargetError."""
        self._drain(time.monotonic() + seconds, _PASSES_BEFOREHAND)
        return self._rest()

    def until_nothing_is_left(self, deadline: float, was: Master, now: Master, drained: Callable[[], None]) -> None:
        """Then `now` is in the ledger in place of `was`, in the transaction that has seen that nothing is left: no
        claim, touch or sweep is under way then. `drained`: called before.

        Raises StageError where it could not be done by the deadline, and says what held it up; SourceError,
        TargetError.
        """
        while True:
            if self._drain(deadline) and not self._rest():
                drained()
                if not self._set_master(was, now):
                    return
            if time.monotonic() >= deadline:
                raise StageError(f"group {self._group.name}: {_told(self._rest())} when the time was up")
            time.sleep(_PAUSE_SECONDS)

    def _drain(self, deadline: float, most_passes: float = math.inf) -> bool:
        """Whether it came to its end by the deadline."""

        def in_time() -> None:
            if time.monotonic() >= deadline:
                raise _LateError

        def pause(seconds: float) -> None:
            time.sleep(max(0.0, min(seconds, deadline - time.monotonic())))

        with Progress("writes", None, "items") as progress:
            drain = Drain(
                self._deliverer,
                self._group.item_types,
                progress,
                pause=pause,
                between=in_time,
                most_passes=most_passes,
            )
            try:
                drained = drain.run()
            except _LateError:
                return False
        self._require_all(drained)
        return True

    def _require_all(self, drained: Drained) -> None:
        if not drained.set_apart:
            return
        shown = "; ".join(f"{one.item_type}: {one.problem}" for one in drained.set_apart[:_SHOWN])
        raise StageError(
            f"group {self._group.name}: {len(drained.set_apart):,} items cannot be delivered ({shown}); "
            "`crossover relay … --status` shows them; mend them first"
        )

    def _rest(self) -> Rest:
        session = self.session
        with session.snapshot(()) as connection:
            return rest(connection, session, self._group.item_types)

    def _set_master(self, was: Master, now: Master) -> Rest:
        session = self.session
        with session.writing(alone=True) as connection:
            left = rest(connection, session, self._group.item_types)
            if not left and (begun := open_backfills(connection, session.migration)):
                raise StageError(
                    f"group {self._group.name}: backfill {begun[0]} was begun meanwhile; let it come to its end"
                )
            if not left and not set_master(connection, session.migration, was, now):
                raise overtaken(self._group)
        return left


def _told(left: Rest) -> str:
    parts = [
        f"{count:,} {what}"
        for count, what in (
            (left.undelivered, "items were undelivered"),
            (left.marks, "marks were not expanded"),
            (left.leased, "items were under a relay's lease"),
        )
        if count
    ]
    return ", ".join(parts) or "nothing was left, but it had changed until then,"
