"""How long a relay waits before it looks again: no time while there is work, ever longer while there is none, and far
longer while DynamoDB is silent."""

from __future__ import annotations

import random

SHORTEST_SECONDS, LONGEST_SECONDS = 0.05, 1.0
LONGEST_SILENCE_SECONDS = 30.0
_FIRST_SILENCE_SECONDS = 0.5


class Pace:
    """`idle_seconds`: the longest pause while there is nothing to do."""

    def __init__(self, idle_seconds: float = LONGEST_SECONDS) -> None:
        self._longest = idle_seconds
        self._idle = 0
        self._silences = 0
        self._random = random.Random()  # noqa: S311 - spreads relays, guards nothing

    @property
    def is_silenced(self) -> bool:
        """Whether the last deliveries got no answer: the next are to be few."""
        return self._silences > 0

    def worked(self, more: bool) -> None:
        """`more`: there is more to do at once; else a moment passes, in which changes come together."""
        self._idle, self._silences = 0 if more else 1, 0

    def found_nothing(self) -> None:
        self._idle += 1

    def silenced(self) -> None:
        self._silences += 1

    def seconds(self) -> float:
        if self._silences:
            return self._jittered(min(LONGEST_SILENCE_SECONDS, _FIRST_SILENCE_SECONDS * 2 ** min(self._silences, 10)))
        if self._idle:
            return self._jittered(min(self._longest, SHORTEST_SECONDS * 2 ** min(self._idle - 1, 10)))
        return 0.0

    def _jittered(self, seconds: float) -> float:
        return self._random.uniform(seconds / 2, seconds)
