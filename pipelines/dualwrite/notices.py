"""Warnings that come with each of many commits, logged once in a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from pipelines.dualwrite.waiting import Reason

EVERY_SECONDS = 60.0

log = logging.getLogger(__name__)


class Notices:
    """Of several threads. `clock` is monotonic, in seconds."""

    def __init__(self, migration: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._migration = migration
        self._clock = clock
        self._lock = threading.Lock()
        self._next: dict[Reason, float] = {}
        self._kept_back: dict[Reason, int] = {}

    def warn(self, reason: Reason, text: str) -> None:
        """One line; of the same reason the next a minute later at the earliest, which tells how many it stands for."""
        with self._lock:
            if self._clock() < self._next.get(reason, float("-inf")):
                self._kept_back[reason] = self._kept_back.get(reason, 0) + 1
                return
            self._next[reason] = self._clock() + EVERY_SECONDS
            more = self._kept_back.pop(reason, 0)
        since = f" ({more} more since the last such line)" if more else ""
        log.warning("%s: left to the relay: %s: %s%s", self._migration, reason, text, since)
