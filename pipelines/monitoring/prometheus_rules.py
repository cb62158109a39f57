"""The same alarms as alert rules of Prometheus, for those who watch with it."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from pipelines.monitoring.alarms import Alarm, Missing
from pipelines.monitoring.metric import Kind
from pipelines.monitoring.prometheus import prometheus_name

_AGGREGATES = {"Maximum": "max", "Minimum": "min", "Sum": "sum"}


def rules(migration: str, wanted: Sequence[Alarm]) -> str:
    """YAML, to be read by Prometheus as a file of `rule_files`."""
    group = {"name": f"crossover-{migration}", "rules": [_rule(migration, alarm) for alarm in wanted]}
    return yaml.safe_dump({"groups": [group]}, sort_keys=False, width=1000)


def _rule(migration: str, alarm: Alarm) -> dict[str, object]:
    return {
        "alert": "Crossover" + "".join(part.capitalize() for part in alarm.watched.split("-")),
        "expr": _expression(migration, alarm),
        "labels": {"severity": "critical", "migration": migration},
        "annotations": {"summary": f"{migration}: {alarm.description}"},
    }


def _expression(migration: str, alarm: Alarm) -> str:
    selector = f'{{migration="{migration}"}}'
    name = prometheus_name(alarm.measure)
    seconds = alarm.period_seconds * alarm.periods
    if alarm.statistic == "SampleCount":
        return f"absent_over_time({name}{selector}[{seconds}s])"
    sign = ">" if alarm.is_bad == "above" else "<"
    if alarm.measure.kind is Kind.COUNTER:
        return f"sum(increase({name}_total{selector}[{seconds}s])) {sign} {alarm.threshold:g}"
    value = f"{_AGGREGATES[alarm.statistic]}({name}{selector})"
    if alarm.missing is not Missing.BREACHING:
        return f"{value} {sign} {alarm.threshold:g}"
    late = f"max_over_time({value}[{seconds}s:]) {sign} {alarm.threshold:g}"
    return f"({late}) or absent_over_time({name}{selector}[{seconds}s])"
