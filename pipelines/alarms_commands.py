"""The command `crossover alarms`: what watches a migration, printed, made or taken away."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, add_mapping_argument
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.mapping.model import Mapping
    from pipelines.monitoring.alarms import Alarm
    from pipelines.monitoring.applying import Applied


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--print", action="store_true", help="what would be made, as JSON; calls nobody")
    what.add_argument("--apply", action="store_true", help="make it in CloudWatch; what is so already is left alone")
    what.add_argument("--remove", action="store_true", help="take this migration's alarms and dashboard away")
    what.add_argument("--prometheus", action="store_true", help="print the same as alert rules of Prometheus")
    topic = parser.add_mutually_exclusive_group()
    topic.add_argument("--topic-arn", metavar="ARN", help="the SNS topic that is told when an alarm fires or clears")
    topic.add_argument("--topic", metavar="NAME", help="with --apply: the same by its name; made where there is none")
    parser.add_argument("--email", metavar="ADDRESS", help="with --topic: asked to subscribe to it")
    parser.add_argument("--dashboard", action="store_true", help="a dashboard, too")
    parser.add_argument(
        "--relay-minutes",
        type=int,
        metavar="N",
        help="for how long no relay may show itself, 3 unless given; 0 where only drains are run: no such alarm",
    )


def _alarms(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.mapping.load import load_mapping
    from pipelines.monitoring.alarms import MOST_RELAY_MINUTES, RELAY_MINUTES, alarms, not_watched

    minutes = RELAY_MINUTES if arguments.relay_minutes is None else arguments.relay_minutes
    if not 0 <= minutes <= MOST_RELAY_MINUTES:
        raise UsageError(f"--relay-minutes {minutes}: give a number from 0 to {MOST_RELAY_MINUTES}")
    if arguments.email and not arguments.topic:
        raise UsageError("--email: only with --topic, the topic that it subscribes to")
    if arguments.topic and not arguments.apply:
        raise UsageError("--topic: only with --apply, for it makes the topic; give --topic-arn")
    mapping = load_mapping(arguments.mapping)
    if arguments.remove:
        return _removed(mapping)
    wanted = alarms(mapping.checks, minutes)
    remark = not_watched(mapping.checks)
    if arguments.prometheus:
        return _prometheus(mapping, wanted)
    return (
        _applied(arguments, mapping, wanted, remark)
        if arguments.apply
        else _printed(arguments, mapping, wanted, remark)
    )


def _printed(arguments: argparse.Namespace, mapping: Mapping, wanted: list[Alarm], remark: str | None) -> CommandResult:
    parameters = [one.parameters(mapping.migration, arguments.topic_arn) for one in wanted]
    document: dict[str, JsonValue] = {
        "migration": mapping.migration,
        "alarms": json.loads(json.dumps(parameters)),
        "dashboard": _dashboard(mapping) if arguments.dashboard else None,
        "remark": remark,
    }
    return CommandResult(document, [json.dumps(document, indent=2)])


def _prometheus(mapping: Mapping, wanted: list[Alarm]) -> CommandResult:
    from pipelines.monitoring.prometheus_rules import rules

    text = rules(mapping.migration, wanted)
    return CommandResult({"migration": mapping.migration, "rules": text}, text.splitlines())


def _applied(arguments: argparse.Namespace, mapping: Mapping, wanted: list[Alarm], remark: str | None) -> CommandResult:
    from pipelines.monitoring.applying import apply_alarms, apply_dashboard, topic_of
    from pipelines.monitoring.client import cloudwatch_client, sns_client
    from pipelines.monitoring.dashboard import dashboard_name

    client = cloudwatch_client()
    topic = topic_of(sns_client(), arguments.topic, arguments.email) if arguments.topic else arguments.topic_arn
    done = apply_alarms(client, mapping.migration, wanted, topic)
    if arguments.dashboard:
        done += apply_dashboard(client, dashboard_name(mapping.migration), _dashboard(mapping))
    told = [remark] if remark else []
    if topic is None:
        told.append("the alarms tell nobody: give --topic-arn or --topic")
    return _done(mapping.migration, done, topic, told)


def _removed(mapping: Mapping) -> CommandResult:
    from pipelines.monitoring.applying import remove_alarms, remove_dashboard
    from pipelines.monitoring.client import cloudwatch_client
    from pipelines.monitoring.dashboard import dashboard_name

    client = cloudwatch_client()
    done = remove_alarms(client, mapping.migration) + remove_dashboard(client, dashboard_name(mapping.migration))
    return _done(mapping.migration, done, None, [])


def _done(name: str, done: Applied, topic: str | None, remarks: list[str]) -> CommandResult:
    changes = {"created": done.created, "changed": done.changed, "removed": done.removed}
    lines = [f"  {what}: {', '.join(names)}" for what, names in changes.items() if names]
    document: dict[str, JsonValue] = {what: list(names) for what, names in changes.items()}
    return CommandResult(
        {"migration": name, **document, "unchanged": list(done.unchanged), "topic": topic, "remarks": list(remarks)},
        [
            f"alarms of {name}: {'' if lines else 'nothing to change; '}{len(done.unchanged)} left as they are",
            *lines,
            *(f"  {remark}" for remark in remarks),
        ],
    )


def _dashboard(mapping: Mapping) -> dict[str, JsonValue]:
    from pipelines.monitoring.client import region
    from pipelines.monitoring.dashboard import dashboard

    return dashboard(mapping.migration, region(), mapping.checks.lag_limit_seconds)


COMMAND = Command("alarms", "CloudWatch alarms on lag, dead letters, conflicts and failed checks", _arguments, _alarms)
