"""What one process has seen of its queries, hour by hour, until it is in the control table."""

from __future__ import annotations

import secrets
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.routing.compare import Difference
from pipelines.routing.histogram import bucket
from pipelines.routing.hours import hour_begin, hour_name
from pipelines.routing.samples import Sample
from pipelines.target.control_table import Key, Row

if TYPE_CHECKING:
    from pydantic import JsonValue

SAMPLES_AN_HOUR = 10
"""Of each query and process."""
KEPT = timedelta(days=7)
"""After their hour DynamoDB may delete its rows."""


@dataclass
class _Hour:
    counts: Counter[str] = field(default_factory=Counter)
    durations: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    last_compared_at: str = ""
    changes: int = 0
    written: int = 0
    samples: int = 0

    def document(self) -> dict[str, JsonValue]:
        return {
            "counts": dict(self.counts),
            "durations": {
                which: {str(index): count for index, count in sorted(histogram.items())}
                for which, histogram in self.durations.items()
            },
            "last_compared_at": self.last_compared_at,
        }


@dataclass(frozen=True)
class Written:
    """Rows that were to be written, and what they held of each hour."""

    rows: tuple[Row, ...]
    changes: dict[tuple[str, str], int]


class Counters:
    """Counts are absolute and a process writes a row of its own: one that is written twice counts once."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self.begin()

    def begin(self) -> None:
        """With nothing, under a name of its own."""
        self._process = secrets.token_hex(6)
        self._lock = threading.Lock()
        self._hours: dict[tuple[str, str], _Hour] = {}
        self._samples: deque[Row] = deque(maxlen=1_000)

    def add(self, query: str, *counts: str, durations: tuple[tuple[str, float], ...] = ()) -> None:
        """`durations`: of whom, and seconds."""
        with self._lock:
            hour = self._hour(query)
            hour.counts.update(counts)
            for whose, seconds in durations:
                hour.durations[whose][bucket(seconds)] += 1

    def compared(self, query: str, pair: str, found: tuple[Difference, ...]) -> None:
        """`pair`: `shadow`, or `noise` where RDS was compared with itself."""
        with self._lock:
            hour = self._hour(query)
            hour.counts[f"{pair}_compared"] += 1
            if pair == "shadow":
                hour.last_compared_at = self._now().isoformat(timespec="seconds")
            if not found:
                return
            hour.counts[f"{pair}_mismatches"] += 1
            if pair == "shadow" and hour.samples < SAMPLES_AN_HOUR:
                self._samples.append(self._sample(query, hour.samples, found))
                hour.samples += 1

    def rows(self) -> Written:
        """What the control table does not have yet."""
        with self._lock:
            changed = {key: hour for key, hour in self._hours.items() if hour.changes > hour.written}
            rows = [
                Row(
                    Key(f"query#{query}", f"count#{name}#{self._process}"),
                    hour.document(),
                    expires=self._expires(name),
                )
                for (query, name), hour in changed.items()
            ]
            return Written((*rows, *self._samples), {key: hour.changes for key, hour in changed.items()})

    def forget(self, written: Written) -> None:
        """They are in the control table."""
        with self._lock:
            for key, changes in written.changes.items():
                self._hours[key].written = changes
            gone = {id(row) for row in written.rows}
            self._samples = deque((row for row in self._samples if id(row) not in gone), maxlen=1_000)
            this_hour = self._name()
            for key in [key for key, hour in self._hours.items() if hour.changes == hour.written]:
                if key[1] != this_hour:
                    del self._hours[key]

    def _hour(self, query: str) -> _Hour:
        hour = self._hours.setdefault((query, self._name()), _Hour())
        hour.changes += 1
        return hour

    def _name(self) -> str:
        return hour_name(self._now())

    def _sample(self, query: str, number: int, found: tuple[Difference, ...]) -> Row:
        key = Key(f"query#{query}", f"sample#{self._name()}#{self._process}#{number}")
        return Row(key, Sample(self._now(), found).document(), expires=self._expires(self._name()))

    def _expires(self, hour: str) -> int:
        return int((hour_begin(hour) + KEPT).timestamp())
