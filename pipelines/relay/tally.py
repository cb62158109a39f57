"""What a relay has done: for its log, its metrics and its end."""

from __future__ import annotations

from collections import Counter

from pipelines.deliver.outcome import Delivered
from pipelines.monitoring.latencies import Latencies
from pipelines.monitoring.metric import Distribution


class Tally:
    """Of one relay, through all its connections. `counts`: as `Delivered.counts`; `marks`: how many were expanded."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.marks = 0
        self._told: Counter[str] = Counter()
        self._latencies = Latencies()

    def add(self, delivered: Delivered) -> None:
        self.counts.update(delivered.counts())
        for seconds in delivered.waited_seconds:
            self._latencies.add(seconds)

    def since_last(self) -> tuple[Counter[str], Distribution | None]:
        """The counts, and how long items had waited to be delivered, since this was asked for the last time."""
        new = self.counts - self._told
        self._told = Counter(self.counts)
        return new, self._latencies.take()
