"""What a reverse relay has done: for its log and its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipelines.reverse.apply.image import Applied


class Tally:
    """Through all its connections. `counts`: of records by outcome or by why they were skipped, `removed` of live items
    that were removed without a tombstone."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, applied: Iterable[Applied]) -> None:
        self.counts.update(one.outcome.value for one in applied)
