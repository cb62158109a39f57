"""CloudWatch's embedded metric format: lines of JSON in a log, of which CloudWatch Logs makes metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.errors import UsageError
from pipelines.monitoring.metric import NAMESPACE, Distribution, Metric

MOST_METRICS = 100  # of a line
MOST_VALUES = 100  # of a metric


class EmfSink:
    """On stdout unless a file is given, which is opened anew each time, so that it can be rotated away."""

    def __init__(self, migration: str, path: Path | None) -> None:
        self._migration = migration
        self._path = path
        if path is not None:
            try:
                path.open("a").close()
            except OSError as error:
                raise UsageError(f"cannot be written ({error.strerror})") from None

    def emit(self, metrics: Sequence[Metric], at: float) -> None:
        text = "".join(f"{line}\n" for line in emf_lines(metrics, self._migration, at))
        if self._path is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)

    def close(self) -> None:
        """Nothing is open."""


def emf_lines(metrics: Sequence[Metric], migration: str, at: float) -> Iterator[str]:
    """One line for each set of dimensions, or more: MOST_METRICS each. `at`: seconds since the epoch."""
    sets: dict[tuple[tuple[str, str], ...], list[Metric]] = {}
    for metric in metrics:
        sets.setdefault(tuple(metric.dimensions(migration).items()), []).append(metric)
    for dimensions, members in sets.items():
        for first in range(0, len(members), MOST_METRICS):
            yield _line(dict(dimensions), members[first : first + MOST_METRICS], at)


def _line(dimensions: dict[str, str], metrics: Sequence[Metric], at: float) -> str:
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": one.measure.name, "Unit": one.measure.unit} for one in metrics],
    }
    values = {one.measure.name: _target(one.value) for one in metrics}
    document = {"_aws": {"Timestamp": round(at * 1000), "CloudWatchMetrics": [directive]}, **dimensions, **values}
    return json.dumps(document, separators=(",", ":"))


def _target(value: float | Distribution) -> float | list[float]:
    """The format has no counts: of more values than it takes, a sample by rank keeps the percentiles, not the count."""
    return value.sample(MOST_VALUES) if isinstance(value, Distribution) else value
