"""How much evidence each step asks for, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """`verifications`: good ones in a row, each of a snapshot and a dump of its own, no more than `max_age_hours` (or
    the schedule's longest gap, where that is longer) apart; the newest is no older than `max_age_hours`.

    Of each query: `calls` in the last `hours` hours, seen for `hours` hours at least; of those that were compared no
    more than the share `mismatches` differ, and no more than `failures` of DynamoDB's answers failed or were late.
    `quiet_hours`: so long ago the last call may be.
    """

    verifications: int = 3
    max_age_hours: float = 36.0
    calls: int = 1_000
    hours: int = 24
    mismatches: float = 0.001
    failures: float = 0.01
    quiet_hours: float = 2.0
