"""CloudWatch's evaluation of a metric alarm, by its published rules, over what an endpoint holds of the metric.

moto keeps alarms and metric data and evaluates neither; ministack evaluates when data come, without regard to missing
data, dimensions or numbers of periods. So this reads the alarm as the endpoint describes it, and the data as its own
API gives them, and judges by the user guide's "How alarm state is evaluated when data is missing".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

MORE_PERIODS = 2
"""That are looked at beyond the evaluation periods: CloudWatch's own example has 5 for 3."""


def state(client: CloudWatchClient, name: str, now: float, before: str) -> str:
    """At `now`, seconds since the epoch, the end of a minute. `before`: the state that the alarm is in."""
    (alarm,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    threshold, above = alarm["Threshold"], alarm["ComparisonOperator"] == "GreaterThanThreshold"
    breaching = [
        None if value is None else (value > threshold if above else value < threshold)
        for value in _values(client, alarm, now)
    ]
    return judged(breaching, alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"], alarm["TreatMissingData"], before)


def judged(points: Sequence[bool | None], periods: int, to_alarm: int, missing: str, before: str) -> str:
    """`points`: whether each is breaching, the oldest first; None where there is none."""
    real = [point for point in points if point is not None][-periods:]
    bad, filled = sum(real), periods - len(real)
    if missing == "ignore" and filled and bad < to_alarm and all(real):
        return before
    return "ALARM" if bad + (filled if missing == "breaching" else 0) >= to_alarm else "OK"


def _values(client: CloudWatchClient, alarm: MetricAlarmTypeDef, now: float) -> list[float | None]:
    period, statistic = alarm["Period"], alarm["Statistic"]
    count = alarm["EvaluationPeriods"] + MORE_PERIODS
    start = now - count * period
    found = client.get_metric_statistics(
        Namespace=alarm["Namespace"],
        MetricName=alarm["MetricName"],
        Dimensions=[{"Name": one["Name"], "Value": one["Value"]} for one in alarm["Dimensions"]],
        StartTime=datetime.fromtimestamp(start, UTC),
        EndTime=datetime.fromtimestamp(now, UTC),
        Period=period,
        Statistics=[statistic],
    )["Datapoints"]
    by_place = {int((one["Timestamp"].timestamp() - start) // period): one for one in found}
    return [float(by_place[place][statistic]) if place in by_place else None for place in range(count)]
