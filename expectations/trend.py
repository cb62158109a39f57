"""The last runs as bars: geometry only, in the units of the drawing's viewBox."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from expectations.words import counted
from pipelines.diff.standing import Standing

RUNS = 30
SLOT = 12
HEIGHT = 64
_BAR = 8
_LEAST = 4  # of a run without a wrong item: there, and low
_OPEN = 20  # of a run that says neither yes nor no


@dataclass(frozen=True)
class TrendRun:
    """`wrong`, `undecided`, `items` are counts; `finished_at` and they are None where the run cannot be read.

    `page` is the run's report, relative to the overview; "" where there is none.
    """

    run_id: str
    standing: Standing
    finished_at: datetime | None = None
    wrong: int | None = None
    undecided: int | None = None
    items: int | None = None
    page: str = ""

    @property
    def words(self) -> str:
        """`24 Nov 02:14: not consistent, 3 wrong of 7,956`."""
        if self.finished_at is None:
            return f"{self.run_id}: {self.standing}"
        return f"{self.finished_at:%d %b %H:%M}: {self.standing}, {self.wrong:,} wrong of {self.items:,}"


@dataclass(frozen=True)
class Bar:
    """A rectangle; `y` counts from the top."""

    run: TrendRun
    x: int
    y: float
    width: int
    height: float


@dataclass(frozen=True)
class Trend:
    """`bars`, oldest first, end at the right edge, whatever their number; `most_wrong` is the highest one's count."""

    runs: tuple[TrendRun, ...]
    bars: tuple[Bar, ...]
    most_wrong: int
    width: int = SLOT * RUNS
    height: int = HEIGHT

    @property
    def words(self) -> str:
        """What the drawing shows, for those who do not see it."""
        counts = Counter(run.standing for run in self.runs)
        told = ", ".join(f"{counts[standing]} {standing}" for standing in Standing if standing in counts)
        return f"{self.extent}: {told}; at most {counted(self.most_wrong, 'wrong item')}."

    @property
    def extent(self) -> str:
        """What the drawing shows, as its heading."""
        return "The last run" if len(self.runs) == 1 else f"The last {len(self.runs)} runs"


def trend_of(runs: Sequence[TrendRun]) -> Trend:
    """Of the last RUNS. Heights are logarithmic: one wrong item among millions must be seen beside a thousand."""
    shown = tuple(runs[-RUNS:])
    most = max((run.wrong or 0 for run in shown), default=0)
    first = RUNS - len(shown)
    bars = tuple(_bar(run, first + place, most) for place, run in enumerate(shown))
    return Trend(shown, bars, most)


def _height(run: TrendRun, most: int) -> float:
    if run.wrong:
        return round(_LEAST + math.log1p(run.wrong) / math.log1p(most) * (HEIGHT - 2 * _LEAST), 1)
    return _LEAST if run.standing is Standing.CONSISTENT else _OPEN


def _bar(run: TrendRun, slot: int, most: int) -> Bar:
    height = _height(run, most)
    return Bar(run, slot * SLOT + (SLOT - _BAR) // 2, round(HEIGHT - height, 1), _BAR, height)
