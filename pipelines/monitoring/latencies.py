"""How long deliveries took, in bounded memory: counted thirteen steps to a factor of ten."""

from __future__ import annotations

import math
from collections import Counter

from pipelines.monitoring.metric import Distribution

_STEPS = 13
_LEAST_STEP, _GREATEST_STEP = -3 * _STEPS, 6 * _STEPS  # a millisecond, a million seconds: 118 steps


class Latencies:
    """For one thread. A value is kept to a tenth of itself."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float, count: int = 1) -> None:
        step = round(math.log10(seconds) * _STEPS) if seconds > 0 else _LEAST_STEP
        self._counts[min(max(step, _LEAST_STEP), _GREATEST_STEP)] += count

    def take(self) -> Distribution | None:
        """What has come since the last time; None where nothing has."""
        steps = sorted(self._counts)
        counts = tuple(self._counts[step] for step in steps)
        self._counts.clear()
        return Distribution(tuple(10 ** (step / _STEPS) for step in steps), counts) if steps else None
