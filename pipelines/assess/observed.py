"""A statement as it was observed: in pg_stat_statements, in a log, or in a file of SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Observed:
    """`sql` can hold values, and stays in memory. `position`: `queries.sql:12`, or `queryid 4711`."""

    sql: str
    position: str
    calls: int = 1
    milliseconds: float | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Observation:
    """`window_seconds`: the time in which the calls were made; None where it is not known."""

    statements: Iterable[Observed]
    window_seconds: float | None = None
    notes: tuple[str, ...] = ()
