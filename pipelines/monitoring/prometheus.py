"""Prometheus: text exposition by its own client library, served on 127.0.0.1 or written to a file.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pipelines.errors import UsageError
from pipelines.monitoring.metric import NAMESPACE, Distribution, Kind, Measure, Metric, Unit

HOST = "127.0.0.1"
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Of the histograms' buckets, in seconds; one without a bound comes last."""

_Labels = tuple[str, ...]
_Series = dict[_Labels, float | list[float]]


def prometheus_name(measure: Measure) -> str:
    """`OpenMarks` is `crossover_open_marks`; seconds end in `_seconds`. A counter's series ends in `_total`, too."""
    words = re.findall(r"[A-Z][a-z0-9]*", f"{NAMESPACE}{measure.name}")
    if measure.unit is Unit.SECONDS and words[-1] != "Seconds":
        words.append("Seconds")
    return "_".join(words).lower()


class State(Collector):
    """What has been emitted so far: the newest of a gauge, the sum of a counter, buckets of a distribution."""

    def __init__(self, migration: str) -> None:
        self._migration = migration
        self._series: dict[Measure, tuple[_Labels, _Series]] = {}
        self._lock = threading.Lock()

    def add(self, metrics: Sequence[Metric]) -> None:
        with self._lock:
            for metric in without_sums(metrics):
                labels = {"migration": self._migration, "item_type": metric.item_type, "verdict": metric.verdict}
                given = {name: value for name, value in labels.items() if value}
                _, series = self._series.setdefault(metric.measure, (tuple(given), {}))
                values = tuple(given.values())
                series[values] = _next(metric, series.get(values))

    def collect(self) -> Iterator[Family]:
        with self._lock:
            return iter([_family(measure, *of) for measure, of in self._series.items()])


def without_sums(metrics: Sequence[Metric]) -> Iterable[Metric]:
    """Less the sum where its parts are there, too: Prometheus adds up by itself, and would count both."""
    in_parts = {metric.measure for metric in metrics if metric.item_type is not None}
    return (metric for metric in metrics if metric.item_type is not None or metric.measure not in in_parts)


def _next(metric: Metric, before: float | list[float] | None) -> float | list[float]:
    match metric.value, before:
        case Distribution() as new, _:
            counts = before if isinstance(before, list) else [0.0] * (len(BOUNDS) + 2)
            for value, count in zip(new.values, new.counts, strict=True):
                counts[bisect_left(BOUNDS, value)] += count
                counts[-1] += value * count
            return counts
        case float() | int() as value, float() | int() if metric.measure.kind is Kind.COUNTER:
            return before + value
        case value, _:
            return value


def _family(measure: Measure, labels: _Labels, series: _Series) -> Family:
    name = prometheus_name(measure)
    if measure.kind is Kind.DISTRIBUTION:
        histogram = HistogramMetricFamily(name, measure.meaning, labels=labels)
        for values, counts in series.items():
            assert isinstance(counts, list)
            at_most = zip([*map(str, BOUNDS), "+Inf"], accumulate(counts[:-1]), strict=True)
            histogram.add_metric(list(values), buckets=list(at_most), sum_value=counts[-1])
        return histogram
    kind = CounterMetricFamily if measure.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(name, measure.meaning, labels=labels)
    for values, value in series.items():
        assert not isinstance(value, list)
        family.add_metric(list(values), value)
    return family


class _Registered:
    def __init__(self, migration: str) -> None:
        self._state = State(migration)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self._state)

    def emit(self, metrics: Sequence[Metric], _at: float, /) -> None:
        self._state.add(metrics)

    def close(self) -> None:
        """Nothing is open."""


class ServedSink(_Registered):
    """http://127.0.0.1:PORT/metrics; 0 is any free port."""

    def __init__(self, migration: str, port: int) -> None:
        super().__init__(migration)
        try:
            self._server, self._thread = start_http_server(port, HOST, self.registry)
        except OSError as error:
            raise UsageError(f"cannot be served ({error.strerror})") from None
        self.port = self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class FileSink(_Registered):
    """The file always is whole: it is written beside itself and renamed."""

    def __init__(self, migration: str, path: Path) -> None:
        super().__init__(migration)
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}")
        self._path = path

    def emit(self, metrics: Sequence[Metric], at: float, /) -> None:
        super().emit(metrics, at)
        write_to_textfile(str(self._path), self.registry)
