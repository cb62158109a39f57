"""The groups' masters as this process knows them, for as long as it may rely on it.

A switch that takes DynamoDB's turn away waits LEASE_SECONDS after it has fenced the group. So what was read counts from
the moment before it was asked for, and a request is sent only while its answer, or the end of waiting for one, comes
before the lease's end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipelines.errors import CrossoverError
from pipelines.masters.standing import Standing

LEASE_SECONDS = 5.0
REQUEST_SECONDS = 2.0
"""So long a request may take at most, from the connection to the answer's last byte."""

log = logging.getLogger(__name__)


def seconds() -> float:
    """Monotonic, and going on while the machine is suspended, which `time.monotonic` is not on Linux."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True)
class Known:
    """`asked_at`: by the monotonic clock, before it was asked for."""

    standings: Mapping[str, Standing]
    asked_at: float


class Leases:
    """Of one process; for any number of threads. One of them reads, when it is needed; there is no thread for it."""

    def __init__(
        self, read: Callable[[], Mapping[str, Standing]], lease_seconds: float, clock: Callable[[], float]
    ) -> None:
        """`read` raises CrossoverError where nobody can be asked."""
        self._read = read
        self._sending_seconds = lease_seconds - REQUEST_SECONDS
        self._pause_seconds = lease_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Known | None = None
        self._failed_at: float | None = None
        self._failure = ""
        self._warned = False

    @property
    def failure(self) -> str:
        """Why the last reading failed; empty where it did not."""
        return self._failure

    def in_force(self, known: Known | None) -> bool:
        """Whether DynamoDB may be sent something on the strength of it."""
        return known is not None and self._clock() < known.asked_at + self._sending_seconds

    def known(self, group: str, after: float | None = None, *, insist: bool = False) -> Known | None:
        """What is known, asked for now where it is no longer in force or, with `after`, was asked for before then. It
        may be an old one, or None, where nobody can be asked: `in_force` tells.

        `insist`: also when asking failed a moment ago, or another thread is asking. Without it nobody waits for
        long while RDS was the master at last: there PostgreSQL itself refuses what must not be written.
        """
        known = self._known
        if self._serves(known, after):
            return known
        relaxed = not insist and known is not None and known.standings[group].is_rds
        if not self._lock.acquire(blocking=not relaxed):
            return known
        try:
            if not self._serves(self._known, after) and (insist or not self._has_just_failed()):
                self._ask()
            return self._known
        finally:
            self._lock.release()

    def _serves(self, known: Known | None, after: float | None) -> bool:
        return known is not None and self.in_force(known) and (after is None or known.asked_at >= after)

    def _has_just_failed(self) -> bool:
        return self._failed_at is not None and self._clock() < self._failed_at + self._pause_seconds

    def _ask(self) -> None:
        asked_at = self._clock()
        try:
            self._known = Known(self._read(), asked_at)
        except CrossoverError as error:
            self._failed_at, self._failure = self._clock(), str(error)
            if not self._warned:
                log.warning("which store is the master cannot be read: %s", error)
            self._warned = True
        else:
            self._failed_at, self._failure, self._warned = None, "", False
