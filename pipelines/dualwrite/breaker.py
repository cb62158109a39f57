"""Whether commits wait for delivery at all: not while it is known to fail.

After some failures in a row, or one that will not pass by itself, nobody waits for some seconds; then one commit's
items are tried while it does not wait, and their success opens the way again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum

MOST_FAILURES = 3
PAUSE_SECONDS = 5.0


class Way(Enum):
    OPEN = "open"
    TRIAL = "closed, but somebody has to try"
    CLOSED = "closed"


class Breaker:
    """Of several threads. `clock` is monotonic, in seconds."""

    def __init__(self, pause_seconds: float = PAUSE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_trial: float | None = None

    def way(self) -> Way:
        with self._lock:
            if self._next_trial is None:
                return Way.OPEN
            return Way.CLOSED if self._clock() < self._next_trial else Way.TRIAL

    def begins_trial(self) -> bool:
        """True for one in each pause."""
        with self._lock:
            if self._next_trial is None or self._clock() < self._next_trial:
                return False
            self._next_trial = self._clock() + self._pause_seconds
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0
            self._next_trial = None

    def failed(self, lasting: bool = False) -> None:
        """`lasting`: whoever tried again at once would fail, too."""
        with self._lock:
            self._failures += 1
            if self._next_trial is None and (lasting or self._failures >= MOST_FAILURES):
                self._next_trial = self._clock() + self._pause_seconds
