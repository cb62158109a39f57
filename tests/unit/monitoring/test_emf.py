"""Lines in CloudWatch's embedded metric format, held to its specification."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.monitoring.emf import emf_lines
from pipelines.monitoring.measures import CONFLICTS, DELIVERY_LATENCY, OPEN_MARKS, UNDELIVERED_ITEMS
from pipelines.monitoring.metric import Distribution, Metric
from pipelines.monitoring.relay import counted
from pipelines.monitoring.sinks import open_sinks

pytestmark = pytest.mark.unit

METRICS = [
    Metric(UNDELIVERED_ITEMS, 3, item_type="order"),
    Metric(UNDELIVERED_ITEMS, 3),
    Metric(CONFLICTS, 0),
    Metric(DELIVERY_LATENCY, Distribution((0.1, 2.0), (999, 1))),
]
_UNITS = re.compile(
    r"Seconds|Microseconds|Milliseconds|((Kilo|Mega|Giga|Tera)?(bit|byte)s(/Second)?)|Percent|Count|None"
)


def is_of_the_format(line: str) -> None:
    """The MUSTs of the specification."""
    assert "\n" not in line
    assert len(line.encode()) <= 256 * 1024
    document = json.loads(line)
    assert set(document["_aws"]) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(document["_aws"]["Timestamp"], int)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 255
        assert directive["Dimensions"]
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 9
            assert all(isinstance(document[name], str) and 1 <= len(name) <= 255 for name in dimensions)
        assert len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert set(metric) <= {"Name", "Unit", "StorageResolution"}
            assert _UNITS.fullmatch(metric["Unit"])
            target = document[metric["Name"]]
            targets = target if isinstance(target, list) else [target]
            assert len(targets) <= 100
            assert all(isinstance(one, int | float) and not isinstance(one, bool) for one in targets)


def test_the_lines() -> None:
    lines = list(emf_lines(METRICS, "shop", 1_700_000_000.25))
    for line in lines:
        is_of_the_format(line)
    assert json.loads(lines[0]) == {
        "_aws": {
            "Timestamp": 1_700_000_000_250,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Crossover",
                    "Dimensions": [["Migration", "ItemType"]],
                    "Metrics": [{"Name": "UndeliveredItems", "Unit": "Count"}],
                }
            ],
        },
        "Migration": "shop",
        "ItemType": "order",
        "UndeliveredItems": 3,
    }
    whole = json.loads(lines[1])
    assert whole["UndeliveredItems"] == 3
    assert (len(whole["DeliveryLatency"]), max(whole["DeliveryLatency"])) == (100, 2.0)
    assert len(lines) == 2


def test_more_metrics_than_a_line_takes() -> None:
    lines = list(emf_lines(counted("Of", {f"kind_{n}": n for n in range(201)}), "shop", 0.0))
    for line in lines:
        is_of_the_format(line)
    assert len(lines) == 3
    assert sum(len(json.loads(line)) - 2 for line in lines) == 201


def test_on_stdout_and_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "metrics.log"
    with open_sinks(["emf", f"emf:{file}", "emf"], "shop", lambda: 5.0) as sinks:
        sinks.emit([Metric(OPEN_MARKS, 1)])
        file.rename(tmp_path / "rotated")
        sinks.emit([Metric(OPEN_MARKS, 2)])
    shown = [json.loads(line)["OpenMarks"] for line in capsys.readouterr().out.splitlines()]
    assert shown == [1, 2]
    assert json.loads(file.read_text())["OpenMarks"] == 2


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--metrics emf:.*no/such: cannot be written"):
        open_sinks([f"emf:{tmp_path}/no/such"], "shop")
