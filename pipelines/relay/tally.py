"""What a relay has done since it began: for its log, its metrics and its end."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from pipelines.deliver.outcome import Delivered


@dataclass
class Tally:
    """Of one relay. `counts`: by item type, as `Delivered.counts`; `marks`: how many were expanded; `seconds`: how long
    each item that was delivered had to wait for it since it was seen undelivered."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    marks: int = 0

    def add(self, item_type: str, delivered: Delivered) -> None:
        self.counts[item_type].update(delivered.counts())

    def total(self) -> Counter[str]:
        return sum(self.counts.values(), Counter[str]())
