"""What applications have seen of a query, hour by hour, as it is shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from pipelines.cutover.evidence import Hour, QuerySeen
from pipelines.routing.histogram import quantile

LOOK_BACK_HOURS = 72
"""That are read and shown; this one is the last of them."""

RDS, DYNAMODB = "rds", "dynamodb"
_OF_DYNAMODB = ("candidate", "dynamodb")


@dataclass(frozen=True)
class Seconds:
    """Upper bounds; None where nothing was asked."""

    p50: float | None
    p99: float | None


@dataclass(frozen=True)
class HourRead:
    """`calls`: answers to callers, from whichever store; `compared`, `mismatches`: of shadow reads."""

    start: datetime
    calls: int
    compared: int
    mismatches: int
    rds: Seconds
    dynamodb: Seconds


@dataclass(frozen=True)
class QueryRead:
    name: str
    stage: str
    hours: tuple[HourRead, ...]


def query_read(seen: QuerySeen) -> QueryRead:
    return QueryRead(seen.name, seen.stage, tuple(map(_hour, seen.hours)))


def _hour(hour: Hour) -> HourRead:
    counts = hour.counts
    return HourRead(
        start=hour.start,
        calls=counts["rds_answers"] + counts["dynamodb_answers"],
        compared=counts["shadow_compared"],
        mismatches=counts["shadow_mismatches"],
        rds=_seconds(hour, RDS),
        dynamodb=_seconds(hour, *_OF_DYNAMODB),
    )


def _seconds(hour: Hour, *whose: str) -> Seconds:
    calls: Counter[int] = Counter()
    for one in whose:
        calls.update(hour.durations.get(one, Counter()))
    return Seconds(quantile(calls, 0.5), quantile(calls, 0.99))
