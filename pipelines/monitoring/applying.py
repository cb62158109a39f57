"""Makes CloudWatch and SNS as they are wanted. What is so already is left alone, so that it can be done again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.monitoring.alarms import Alarm, Watched, alarm_name
from pipelines.monitoring.client import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef
    from mypy_boto3_sns import SNSClient
    from pydantic import JsonValue


@dataclass(frozen=True)
class Applied:
    """Names of alarms and of the dashboard."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __add__(self, other: Applied) -> Applied:
        return Applied(
            self.created + other.created,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
        )


def apply_alarms(client: CloudWatchClient, migration: str, wanted: Sequence[Alarm], topic: str | None) -> Applied:
    """`wanted` and no other of this migration's. Raises MonitoringError; it can be done again."""
    there = _there(client, migration)
    created: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    for alarm in wanted:
        parameters = alarm.parameters(migration, topic)
        name = parameters["AlarmName"]
        found = there.pop(name, None)
        if found is not None and _same(found, parameters):
            unchanged.append(name)
            continue
        with aws_errors("CloudWatch", "PutMetricAlarm"):
            client.put_metric_alarm(**parameters)
        (changed if found else created).append(name)
    _delete(client, list(there))
    return Applied(tuple(created), tuple(changed), tuple(unchanged), tuple(there))


def remove_alarms(client: CloudWatchClient, migration: str) -> Applied:
    return apply_alarms(client, migration, (), None)


def apply_dashboard(client: CloudWatchClient, name: str, body: Mapping[str, JsonValue]) -> Applied:
    before = _dashboard(client, name)
    if before is not None and json.loads(before) == body:
        return Applied(unchanged=(name,))
    with aws_errors("CloudWatch", "PutDashboard"):
        client.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))
    return Applied(created=(name,)) if before is None else Applied(changed=(name,))


def remove_dashboard(client: CloudWatchClient, name: str) -> Applied:
    if _dashboard(client, name) is None:
        return Applied()
    with aws_errors("CloudWatch", "DeleteDashboards"):
        client.delete_dashboards(DashboardNames=[name])
    return Applied(removed=(name,))


def topic_of(client: SNSClient, name: str, email: str | None) -> str:
    """The ARN of the topic of this name, which is made where there is none; the address is asked to subscribe once."""
    with aws_errors("SNS", "CreateTopic"):
        topic = client.create_topic(Name=name)["TopicArn"]
    if email is not None:
        with aws_errors("SNS", "ListSubscriptionsByTopic"):
            pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            subscribed = {one.get("Endpoint") for page in pages for one in page["Subscriptions"]}
        if email not in subscribed:
            with aws_errors("SNS", "Subscribe"):
                client.subscribe(TopicArn=topic, Protocol="email", Endpoint=email)
    return topic


def _there(client: CloudWatchClient, migration: str) -> dict[str, MetricAlarmTypeDef]:
    """By their whole names: `crossover-shop-` is how the names of the migration `shop-2` begin, too."""
    names = [alarm_name(migration, watched) for watched in Watched]
    with aws_errors("CloudWatch", "DescribeAlarms"):
        found = client.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    return {one["AlarmName"]: one for one in found}


def _same(found: MetricAlarmTypeDef, wanted: Mapping[str, object]) -> bool:
    there: Mapping[str, object] = found
    return all(there.get(name) == value for name, value in wanted.items())


def _delete(client: CloudWatchClient, names: list[str]) -> None:
    if names:
        with aws_errors("CloudWatch", "DeleteAlarms"):
            client.delete_alarms(AlarmNames=names)


def _dashboard(client: CloudWatchClient, name: str) -> str | None:
    """Its body; None where there is none."""
    with aws_errors("CloudWatch", "GetDashboard"):
        try:
            return client.get_dashboard(DashboardName=name)["DashboardBody"]
        except client.exceptions.ResourceNotFound:
            return None
