"""Which alarms a migration wants: plain values, in the parameters of CloudWatch's PutMetricAlarm.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pipelines.mapping.checks_model import Checks
from pipelines.monitoring import measures
from pipelines.monitoring.checks_due import longest_gap_hours
from pipelines.monitoring.metric import MIGRATION, NAMESPACE, Measure

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import PutMetricAlarmInputTypeDef

RELAY_MINUTES = 3
MOST_RELAY_MINUTES = 24 * 60  # of minutes CloudWatch looks back one day, of hours seven
LATE_HOURS = 2
"""By which a check may end later than the one before it did."""
_HOUR, _MINUTE = 3600, 60
_LONGEST_HOURS = 7 * 24


class Watched(StrEnum):
    """The last part of an alarm's name."""

    LAG = "lag"
    DEAD_LETTERS = "dead-letters"
    CONFLICTS = "conflicts"
    NO_RELAY = "no-relay"
    INCONSISTENT = "inconsistent"
    CHECK_FAILED = "check-failed"
    CHECK_MISSING = "check-missing"


class Missing(StrEnum):
    """What a period without data says. KEEP: the alarm stays as it is: until there is news, the last news holds."""

    BREACHING = "breaching"
    GOOD = "notBreaching"
    KEEP = "ignore"


@dataclass(frozen=True)
class Alarm:
    """Fires where `statistic` of the measure is `above` or `below` the threshold in each of so many periods."""

    watched: Watched
    measure: Measure
    statistic: Literal["Maximum", "Minimum", "Sum", "SampleCount"]
    is_bad: Literal["above", "below"]
    threshold: float
    missing: Missing
    description: str
    period_seconds: int = _MINUTE
    periods: int = 1

    def parameters(self, migration: str, topic: str | None = None) -> PutMetricAlarmInputTypeDef:
        """`topic`: an ARN, told when it fires and when it clears."""
        actions = [topic] if topic else []
        return {
            "AlarmName": alarm_name(migration, self.watched),
            "AlarmDescription": f"{migration}: {self.description}",
            "Namespace": NAMESPACE,
            "MetricName": self.measure.name,
            "Dimensions": [{"Name": MIGRATION, "Value": migration}],
            "Statistic": self.statistic,
            "Period": self.period_seconds,
            "EvaluationPeriods": self.periods,
            "DatapointsToAlarm": self.periods,
            "ComparisonOperator": "GreaterThanThreshold" if self.is_bad == "above" else "LessThanThreshold",
            "Threshold": float(self.threshold),
            "TreatMissingData": self.missing.value,
            "AlarmActions": actions,
            "OKActions": actions,
        }


def alarm_name(migration: str, watched: Watched) -> str:
    return f"crossover-{migration}-{watched}"


def alarms(checks: Checks, relay_minutes: int = RELAY_MINUTES) -> list[Alarm]:
    """`relay_minutes`: for how long no relay may show itself; 0 for no such alarm, where only drains are run."""
    wanted = [
        Alarm(
            Watched.LAG,
            measures.OLDEST_UNDELIVERED,
            "Maximum",
            "above",
            checks.lag_limit_seconds,
            Missing.KEEP,
            f"an item has been undelivered for more than {checks.lag_limit_seconds} s",
        ),
        Alarm(
            Watched.DEAD_LETTERS,
            measures.SET_APART_ITEMS,
            "Maximum",
            "above",
            0,
            Missing.KEEP,
            "items are set apart: nothing will deliver them by itself",
        ),
        Alarm(
            Watched.CONFLICTS,
            measures.CONFLICTS,
            "Sum",
            "above",
            0,
            Missing.GOOD,
            "a write met what nobody of ours has written",
            period_seconds=5 * _MINUTE,
        ),
        Alarm(
            Watched.NO_RELAY,
            measures.RELAYS_ALIVE,
            "Maximum",
            "below",
            1,
            Missing.BREACHING,
            f"no relay has shown itself for {relay_minutes} minutes",
            periods=relay_minutes,
        ),
        Alarm(
            Watched.INCONSISTENT,
            measures.CONSISTENT,
            "Minimum",
            "below",
            1,
            Missing.KEEP,
            "the last verification found the stores unequal",
        ),
        Alarm(
            Watched.CHECK_FAILED,
            measures.VERIFICATION_FAILED,
            "Maximum",
            "above",
            0,
            Missing.KEEP,
            "the last verification came to no verdict",
        ),
        *_check_missing(checks),
    ]
    return [alarm for alarm in wanted if alarm.periods]


def not_watched(checks: Checks) -> str | None:
    """Why a check that stays away raises no alarm; None where it does."""
    if checks.schedule is None:
        return f"no {Watched.CHECK_MISSING} alarm: the mapping has no checks.schedule"
    if _hours(checks) is None:
        return (
            f"no {Watched.CHECK_MISSING} alarm: checks.schedule {checks.schedule!r} cannot be read, or has runs more "
            f"than {_LONGEST_HOURS - LATE_HOURS} hours apart; CloudWatch looks back seven days"
        )
    return None


def _hours(checks: Checks) -> int | None:
    gap = longest_gap_hours(checks.schedule) if checks.schedule else None
    hours = math.ceil(gap) + LATE_HOURS if gap is not None else None
    return hours if hours is not None and hours <= _LONGEST_HOURS else None


def _check_missing(checks: Checks) -> list[Alarm]:
    """A run that failed has been run: it has an alarm of its own."""
    hours = _hours(checks)
    if hours is None:
        return []
    return [
        Alarm(
            Watched.CHECK_MISSING,
            measures.VERIFICATION_FAILED,
            "SampleCount",
            "below",
            1,
            Missing.BREACHING,
            f"no verification has ended for {hours} hours",
            period_seconds=_HOUR,
            periods=hours,
        )
    ]
