"""What a metric is, by CloudWatch's naming: a name in the namespace, a value with a unit, some dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

NAMESPACE = "Crossover"
MIGRATION, ITEM_TYPE, VERDICT = "Migration", "ItemType", "Verdict"


class Unit(StrEnum):
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html"""

    COUNT = "Count"
    SECONDS = "Seconds"
    NONE = "None"


class Kind(Enum):
    """A gauge is what is now; a counter is what has been added since the last time; a distribution is all values that
    have come since then."""

    GAUGE = "gauge"
    COUNTER = "counter"
    DISTRIBUTION = "distribution"


@dataclass(frozen=True)
class Measure:
    """`meaning`: one sentence, for people."""

    name: str
    unit: Unit
    kind: Kind
    meaning: str


@dataclass(frozen=True)
class Distribution:
    """Each value and how often it came, the least value first."""

    values: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def total(self) -> float:
        return sum(value * count for value, count in zip(self.values, self.counts, strict=True))

    def sample(self, most: int) -> list[float]:
        """All values, or so many of them, at even distances by rank, the least and the greatest among them."""
        count = self.count
        ranks = range(count) if count <= most else [round(n * (count - 1) / (most - 1)) for n in range(most)]
        found: list[float] = []
        place, passed = 0, 0
        for rank in ranks:
            while rank >= passed + self.counts[place]:
                passed += self.counts[place]
                place += 1
            found.append(self.values[place])
        return found


@dataclass(frozen=True)
class Metric:
    """One value, of the migration as a whole unless it has an item type or a verdict. A distribution has no other
    kind of value."""

    measure: Measure
    value: float | Distribution
    item_type: str | None = None
    verdict: str | None = None

    def dimensions(self, migration: str) -> dict[str, str]:
        """In CloudWatch's names. Its values are ASCII; other letters of an item type's name are escaped."""
        found = {MIGRATION: migration, ITEM_TYPE: self.item_type, VERDICT: self.verdict}
        return {name: value.encode("ascii", "backslashreplace").decode() for name, value in found.items() if value}
