"""A query's hours as small drawings: geometry only, in the units of the drawing's viewBox."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from expectations.words import counted
from pipelines.cutover.readings import LOOK_BACK_HOURS, HourRead, QueryRead

SLOT = 5
WIDTH = SLOT * LOOK_BACK_HOURS
HEIGHT = 48
_BAR = 4
_LEAST = 1.5  # of what is not nothing
_LEAST_SECONDS, _MOST_SECONDS = 1e-4, 10.0


@dataclass(frozen=True)
class HourBar:
    """A rectangle; `y` counts from the top. `words`: what it stands for."""

    x: int
    y: float
    width: int
    height: float
    words: str


@dataclass(frozen=True)
class Line:
    """`points`: as a polyline takes them; one of its own for each stretch of hours without a gap."""

    name: str
    quantile: str
    points: tuple[str, ...]


@dataclass(frozen=True)
class QueryCharts:
    """`calls`: highest bar is `most_calls`. `mismatches`: the share of compared answers, the highest bar is
    `most_share` (0 to 1). `lines`: seconds on a logarithmic scale. `words`: all of it, for those who do not see it."""

    name: str
    stage: str
    first: datetime
    calls: tuple[HourBar, ...]
    most_calls: int
    mismatches: tuple[HourBar, ...]
    most_share: float
    lines: tuple[Line, ...]
    total_calls: int
    compared: int
    differ: int
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def calls_words(self) -> str:
        return f"Calls an hour, {counted(self.total_calls, 'call')}, at most {self.most_calls:,} an hour"

    @property
    def mismatches_words(self) -> str:
        differ = f"{self.differ:,} of {self.compared:,} compared"
        return f"Share of answers that differ, {differ}, at most {self.most_share:.2%} an hour"

    @property
    def seconds_words(self) -> str:
        return "Duration of RDS's and DynamoDB's answers, p50 and p99 by the hour"


def charts_of(query: QueryRead, at: datetime) -> QueryCharts:
    """Of the LOOK_BACK_HOURS hours that end with that of `at`."""
    first = at.replace(minute=0, second=0, microsecond=0) - timedelta(hours=LOOK_BACK_HOURS - 1)
    hours = [hour for hour in query.hours if first <= hour.start <= at]
    most = max((hour.calls for hour in hours), default=0)
    shares = {hour.start: hour.mismatches / hour.compared for hour in hours if hour.compared}
    most_share = max(shares.values(), default=0.0)
    return QueryCharts(
        name=query.name,
        stage=query.stage,
        first=first,
        calls=tuple(_bar(first, hour, hour.calls, most, f"{hour.calls:,} calls") for hour in hours if hour.calls),
        most_calls=most,
        mismatches=tuple(
            _bar(first, hour, share, most_share, f"{hour.mismatches:,} of {hour.compared:,} differ")
            for hour in hours
            if (share := shares.get(hour.start))
        ),
        most_share=most_share,
        lines=tuple(_lines(first, hours)),
        total_calls=sum(hour.calls for hour in hours),
        compared=sum(hour.compared for hour in hours),
        differ=sum(hour.mismatches for hour in hours),
    )


def _bar(first: datetime, hour: HourRead, value: float, most: float, words: str) -> HourBar:
    height = round(max(_LEAST, value / most * (HEIGHT - 2)), 1)
    return HourBar(_x(first, hour), round(HEIGHT - height, 1), _BAR, height, f"{hour.start:%d %b %H}:00: {words}")


def _lines(first: datetime, hours: Sequence[HourRead]) -> list[Line]:
    which: tuple[tuple[str, str, Callable[[HourRead], float | None]], ...] = (
        ("rds", "p50", lambda hour: hour.rds.p50),
        ("rds", "p99", lambda hour: hour.rds.p99),
        ("dynamodb", "p50", lambda hour: hour.dynamodb.p50),
        ("dynamodb", "p99", lambda hour: hour.dynamodb.p99),
    )
    lines = (Line(name, quantile, _stretches(first, hours, seconds)) for name, quantile, seconds in which)
    return [line for line in lines if line.points]


def _stretches(
    first: datetime, hours: Sequence[HourRead], seconds: Callable[[HourRead], float | None]
) -> tuple[str, ...]:
    """An hour alone is drawn a slot wide, or it would not be seen."""
    found: list[list[tuple[int, float]]] = []
    for hour in hours:
        value = seconds(hour)
        if value is None:
            continue
        point = (_x(first, hour), _y(value))
        if found and found[-1][-1][0] == point[0] - SLOT:
            found[-1].append(point)
        else:
            found.append([point])
    whole = ([*points, (points[-1][0] + SLOT, points[-1][1])] for points in found)
    return tuple(" ".join(f"{x},{y}" for x, y in points) for points in whole)


def _x(first: datetime, hour: HourRead) -> int:
    return int((hour.start - first) / timedelta(hours=1)) * SLOT


def _y(seconds: float) -> float:
    within = min(max(seconds, _LEAST_SECONDS), _MOST_SECONDS)
    share = math.log(within / _LEAST_SECONDS) / math.log(_MOST_SECONDS / _LEAST_SECONDS)
    return round(HEIGHT - 1 - share * (HEIGHT - 2), 1)
