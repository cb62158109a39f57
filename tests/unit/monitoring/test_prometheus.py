"""Prometheus's text exposition, as a page and as a file."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from pipelines.errors import UsageError
from pipelines.mapping.checks_model import Checks
from pipelines.monitoring.alarms import alarms
from pipelines.monitoring.measures import CONFLICTS, DELIVERY_LATENCY, OPEN_MARKS, UNDELIVERED_ITEMS
from pipelines.monitoring.metric import Distribution, Metric
from pipelines.monitoring.prometheus import ServedSink, prometheus_name
from pipelines.monitoring.prometheus_rules import rules
from pipelines.monitoring.sinks import open_sinks
from tests.every_measure import MEASURES

pytestmark = pytest.mark.unit

TEXT = """\
# HELP crossover_undelivered_items Items that have changed and are not delivered yet.
# TYPE crossover_undelivered_items gauge
crossover_undelivered_items{item_type="a\\"b\\\\c",migration="shop"} 2.0
# HELP crossover_conflicts_total Writes that met what nobody of ours has written.
# TYPE crossover_conflicts_total counter
crossover_conflicts_total{migration="shop"} 5.0
"""


def page(port: int, path: str = "/metrics") -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        assert "version=0.0.4" in answer.headers["Content-Type"]
        return str(answer.read().decode())


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "crossover.prom"
    with open_sinks([f"prometheus-file:{file}"], "shop") as sinks:
        for undelivered, conflicts in ((9, 2), (2, 3)):
            parts = [Metric(UNDELIVERED_ITEMS, undelivered, item_type='a"b\\c'), Metric(UNDELIVERED_ITEMS, undelivered)]
            sinks.emit([*parts, Metric(CONFLICTS, conflicts)])
    assert file.read_text() == TEXT
    assert list(tmp_path.iterdir()) == [file]


def test_a_page() -> None:
    sink = ServedSink("shop", 0)
    try:
        assert page(sink.port) == ""
        sink.emit([Metric(OPEN_MARKS, 1)], 0.0)
        assert 'crossover_open_marks{migration="shop"} 1.0\n' in page(sink.port)
    finally:
        sink.close()
    with pytest.raises(urllib.error.URLError):
        page(sink.port)


def test_a_distribution_is_a_histogram(tmp_path: Path) -> None:
    file = tmp_path / "crossover.prom"
    with open_sinks([f"prometheus-file:{file}"], "shop") as sinks:
        sinks.emit([Metric(DELIVERY_LATENCY, Distribution((0.05, 0.2), (3, 1)))])
        sinks.emit([Metric(DELIVERY_LATENCY, Distribution((9999.0,), (1,)))])
    lines = file.read_text().splitlines()
    name = "crossover_delivery_latency_seconds"
    assert f'{name}_bucket{{le="0.025",migration="shop"}} 0.0' in lines
    assert f'{name}_bucket{{le="0.05",migration="shop"}} 3.0' in lines
    assert f'{name}_bucket{{le="0.25",migration="shop"}} 4.0' in lines
    assert f'{name}_bucket{{le="3600.0",migration="shop"}} 4.0' in lines
    assert f'{name}_bucket{{le="+Inf",migration="shop"}} 5.0' in lines
    assert f'{name}_count{{migration="shop"}} 5.0' in lines
    (total,) = (line for line in lines if line.startswith(f"{name}_sum"))
    assert float(total.rpartition(" ")[2]) == pytest.approx(0.05 * 3 + 0.2 + 9999)


def test_a_port_that_is_taken() -> None:
    sink = ServedSink("shop", 0)
    try:
        with pytest.raises(UsageError, match=rf"--metrics prometheus:{sink.port}: cannot be served"):
            open_sinks([f"prometheus:{sink.port}"], "shop")
    finally:
        sink.close()


def test_the_rules_ask_for_what_is_exposed() -> None:
    wanted = alarms(Checks(schedule="0 2 * * *"))
    (group,) = yaml.safe_load(rules("shop", wanted))["groups"]
    assert len(group["rules"]) == len(wanted)
    names = {prometheus_name(one.measure) for one in wanted}
    assert names <= {prometheus_name(one) for one in MEASURES}
    for name in names:
        assert any(f"{name}{{" in rule["expr"] or f"{name}_total{{" in rule["expr"] for rule in group["rules"])
