"""Where metrics go is said by the user, and whatever goes wrong there, the work goes on."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from typing import Any, cast

import pytest

from pipelines.errors import MonitoringError, UsageError
from pipelines.monitoring.cloudwatch import CloudWatchSink
from pipelines.monitoring.measures import DELIVERY_LATENCY, OPEN_MARKS
from pipelines.monitoring.metric import Distribution, Metric
from pipelines.monitoring.options import add_metrics_argument, metrics_of, named_by
from pipelines.monitoring.sinks import Background, Guarded, Sinks, open_sinks

pytestmark = pytest.mark.unit

ONE = [Metric(OPEN_MARKS, 1)]


class Scripted:
    """A sink that fails, waits, or keeps what it is given."""

    def __init__(self, error: Exception | None = None, gate: threading.Event | None = None) -> None:
        self.taken: list[float] = []
        self.closed = False
        self._error = error
        self._gate = gate

    def emit(self, metrics: Sequence[Metric], at: float, /) -> None:
        if self._gate is not None:
            self._gate.wait(30)
        if self._error is not None:
            raise self._error
        self.taken.append(at)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    "error", [OSError("s3cret"), MonitoringError("CloudWatch: refused"), ZeroDivisionError("s3cret")]
)
def test_a_sink_that_fails_is_logged_and_counted(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    good = Scripted()
    with Sinks([Guarded("bad", Scripted(error)), Guarded("good", good)], lambda: 1.0) as sinks:
        sinks.emit(ONE)
        sinks.emit(ONE)
    assert sinks.lost == 2
    assert good.taken == [1.0, 1.0]
    assert good.closed
    assert len(caplog.records) == 2
    assert "metrics: bad has not taken them" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_slow_sink_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    slow = Scripted(gate=gate)
    sinks = Sinks([Background(Guarded("slow", slow))], lambda: 1.0)
    for _ in range(30):
        sinks.emit(ONE)
    assert sinks.lost >= 9  # twenty wait, and one is under way
    assert "too many are waiting" in caplog.text
    gate.set()
    sinks.close()
    assert len(slow.taken) == 30 - sinks.lost
    assert slow.closed


def test_a_sink_that_hangs_does_not_keep_the_command_from_ending() -> None:
    gate = threading.Event()
    sinks = Sinks([Background(Guarded("hung", Scripted(gate=gate)), close_seconds=0.05)])
    sinks.emit(ONE)
    sinks.close()
    gate.set()


@pytest.mark.parametrize(
    "wrong", ["", "cloud", "emf:", "prometheus", "prometheus:x", "prometheus:70000", "cloudwatch:x"]
)
def test_no_such_sink(wrong: str) -> None:
    with pytest.raises(UsageError, match=rf"--metrics {wrong}: no such sink; give emf, emf:FILE, cloudwatch"):
        open_sinks(["emf", wrong], "shop")


@pytest.mark.parametrize(
    ("given", "environment", "found"),
    [
        ([], {}, ()),
        ([], {"CROSSOVER_METRICS": " cloudwatch, prometheus:9464,"}, ("cloudwatch", "prometheus:9464")),
        (["--metrics", "emf:a", "--metrics", "cloudwatch"], {"CROSSOVER_METRICS": "emf"}, ("emf:a", "cloudwatch")),
    ],
)
def test_the_option_comes_before_the_variable(
    given: list[str], environment: dict[str, str], found: tuple[str, ...]
) -> None:
    assert metrics_of(parsed(given), environment) == found


@pytest.mark.parametrize("wrong", ["cloud", "emf:/no/such/folder/file", "prometheus-file:/no/such/folder/file"])
@pytest.mark.parametrize("given", [["--metrics", "emf"], []], ids=["option", "variable"])
def test_what_is_wrong_is_named_as_it_was_given(wrong: str, given: list[str]) -> None:
    by = named_by(parsed(given))
    assert by == ("--metrics" if given else "CROSSOVER_METRICS")
    with pytest.raises(UsageError, match=f"^{by} {wrong}: "):
        open_sinks([wrong], "shop", by=by)


def test_what_a_sink_lacks_is_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/no/such/file")
    with pytest.raises(UsageError, match=r"^CROSSOVER_METRICS cloudwatch: AWS_REGION is not set"):
        open_sinks(["cloudwatch"], "shop", by="CROSSOVER_METRICS")


@pytest.mark.parametrize(("given", "by"), [(["--metrics", "emf"], "--metrics"), ([], "CROSSOVER_METRICS")])
def test_stdout_is_json_s_alone(given: list[str], by: str) -> None:
    with pytest.raises(UsageError, match=f"^{by} emf prints on stdout, and so does --json; give emf:FILE"):
        metrics_of(parsed(["--json", *given]), {"CROSSOVER_METRICS": "emf"})


def parsed(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_metrics_argument(parser)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(given)


class Requests:
    """In CloudWatch's place: the size of each request."""

    def __init__(self) -> None:
        self.metrics: list[int] = []

    def put_metric_data(self, **request: Any) -> None:
        assert request["Namespace"] == "Crossover"
        self.metrics.append(len(request["MetricData"]))


@pytest.mark.parametrize(
    ("metrics", "requests"),
    [
        (ONE * 2001, [1000, 1000, 1]),
        ([Metric(DELIVERY_LATENCY, Distribution(tuple(map(float, range(100))), (1,) * 100))] * 100, [79, 21]),
        ([], []),
    ],
)
def test_a_request_is_never_too_large(metrics: list[Metric], requests: list[int]) -> None:
    client = Requests()
    CloudWatchSink("shop", cast("Any", client)).emit(metrics, 0.0)
    assert client.metrics == requests
