"""Alarms are made, fire and clear: with metrics that the sinks have really sent, kept by moto and by ministack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines import cli
from pipelines.command import Exit
from pipelines.mapping.checks_model import Checks
from pipelines.monitoring.alarms import Watched, alarm_name, alarms
from pipelines.monitoring.applying import apply_alarms, topic_of
from pipelines.monitoring.client import cloudwatch_client, sns_client
from pipelines.monitoring.cloudwatch import CloudWatchSink
from pipelines.monitoring.measures import VERIFICATION_FAILED
from pipelines.monitoring.metric import Metric
from pipelines.monitoring.relay import relay_metrics
from pipelines.monitoring.sinks import open_sinks
from pipelines.monitoring.verification import failure_told, verification_metrics
from tests.cloudwatch_alarms import judged, state

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

pytestmark = pytest.mark.integration

MINUTE, HOUR = 60, 3600
CHECKS = Checks(schedule="0 2 * * *", lag_limit_seconds=120)
MAPPING = """
migration: shop
target: {tables: {rows: {partition_key: {name: pk, type: S}}}}
items: {row: {table: rows, from: rows, key: {pk: "{id}"}}}
checks: {schedule: "0 2 * * *", lag_limit_seconds: 120}
"""


@dataclass(frozen=True)
class OrderHealth:
    item_type: str = "order"
    undelivered: int = 0
    leased: int = 0
    failing: int = 0
    set_apart: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class RelayHealth:
    item_types: tuple[OrderHealth, ...] = (OrderHealth(),)
    marks: int = 0
    oldest_seconds: float | None = None
    paused: bool = False
    relays: tuple[str, ...] = ("a",)


WELL = relay_metrics(RelayHealth(), {"written": 7}, None)
LATE = relay_metrics(RelayHealth((OrderHealth(undelivered=3),), oldest_seconds=121.0), {}, None)
STUCK = relay_metrics(RelayHealth((OrderHealth(undelivered=1, failing=1, set_apart=1),)), {"impossible": 1}, None)
IN_CONFLICT = relay_metrics(RelayHealth(), {"conflict": 1}, None)
NOBODY = relay_metrics(RelayHealth(relays=()), {}, None)
ALL_WRONG = relay_metrics(
    RelayHealth((OrderHealth(undelivered=1, set_apart=1),), oldest_seconds=121.0, relays=()), {"conflict": 1}, None
)
EQUAL = verification_metrics({"match": 9, "missing": 0}, True)
UNEQUAL = verification_metrics({"match": 8, "missing": 1}, False)
FAILED = [Metric(VERIFICATION_FAILED, 1)]


@pytest.fixture
def cloudwatch(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> CloudWatchClient:
    monkeypatch.setenv("AWS_ENDPOINT_URL", dynamodb_environment)
    return cloudwatch_client()


class Watch:
    """A time that a test moves, and the states of the alarms in it."""

    def __init__(self, client: CloudWatchClient) -> None:
        self.now = time.time() // HOUR * HOUR - 96 * HOUR
        self._client = client
        self._sink = CloudWatchSink("shop", client)
        self._states: dict[Watched, str] = {}
        apply_alarms(client, "shop", alarms(CHECKS), None)

    def pass_with(self, metrics: list[Metric], minutes: int) -> None:
        """They are emitted in each of these minutes."""
        for _ in range(minutes):
            self._sink.emit(metrics, self.now + 20)
            self.now += MINUTE

    def state(self, watched: Watched) -> str:
        before = self._states.get(watched, "INSUFFICIENT_DATA")
        self._states[watched] = state(self._client, alarm_name("shop", watched), self.now, before)
        return self._states[watched]


@pytest.fixture
def watch(cloudwatch: CloudWatchClient) -> Iterator[Watch]:
    yield Watch(cloudwatch)


@pytest.mark.parametrize(
    ("watched", "bad", "good", "minutes"),
    [
        (Watched.LAG, LATE, WELL, 1),
        (Watched.DEAD_LETTERS, STUCK, WELL, 1),
        (Watched.CONFLICTS, IN_CONFLICT, WELL, 5),
        (Watched.NO_RELAY, NOBODY, WELL, 3),
        (Watched.INCONSISTENT, UNEQUAL, EQUAL, 1),
        (Watched.CHECK_FAILED, FAILED, EQUAL, 1),
    ],
)
def test_it_fires_and_clears(
    watch: Watch, watched: Watched, bad: list[Metric], good: list[Metric], minutes: int
) -> None:
    watch.pass_with(good, minutes)
    assert watch.state(watched) == "OK"
    watch.pass_with(bad, minutes)
    assert watch.state(watched) == "ALARM"
    watch.pass_with(good, minutes)
    assert watch.state(watched) == "OK"


def test_nobody_left_to_say_that_no_relay_is_alive(watch: Watch) -> None:
    watch.pass_with(WELL, 5)
    assert watch.state(Watched.NO_RELAY) == "OK"
    watch.now += 5 * MINUTE
    assert watch.state(Watched.NO_RELAY) == "ALARM"
    assert watch.state(Watched.CONFLICTS) == "OK"
    watch.pass_with(WELL, 1)
    assert watch.state(Watched.NO_RELAY) == "OK"


def test_the_last_news_holds_until_there_is_other(watch: Watch) -> None:
    for metrics, watched in ((LATE, Watched.LAG), (UNEQUAL, Watched.INCONSISTENT), (FAILED, Watched.CHECK_FAILED)):
        watch.pass_with(metrics, 1)
        assert watch.state(watched) == "ALARM"
        watch.now += HOUR
        assert watch.state(watched) == "ALARM"


def test_a_check_that_stays_away(watch: Watch) -> None:
    watch.pass_with(EQUAL, 1)
    watch.now += 24 * HOUR - MINUTE
    assert watch.state(Watched.CHECK_MISSING) == "OK"
    watch.pass_with(FAILED, 1)  # it has been run, at least
    watch.now += 25 * HOUR - MINUTE
    assert watch.state(Watched.CHECK_MISSING) == "OK"
    watch.now += 4 * HOUR
    assert watch.state(Watched.CHECK_MISSING) == "ALARM"
    watch.pass_with(EQUAL, 1)
    watch.now += HOUR - MINUTE
    assert watch.state(Watched.CHECK_MISSING) == "OK"


@pytest.mark.parametrize(
    ("points", "to_alarm", "states"),
    [
        ("0-X-X", 3, ("OK", "OK", "OK")),
        ("0----", 3, ("OK", "OK", "OK")),
        ("-----", 3, ("before", "ALARM", "OK")),
        ("0XX-X", 3, ("ALARM", "ALARM", "ALARM")),
        ("----X", 3, ("before", "ALARM", "OK")),
        ("X----", 3, ("before", "ALARM", "OK")),
        ("0-X-X", 2, ("ALARM", "ALARM", "ALARM")),
        ("00X0X", 2, ("ALARM", "ALARM", "ALARM")),
        ("0-X--", 2, ("OK", "ALARM", "OK")),
        ("----0", 2, ("OK", "ALARM", "OK")),
        ("----X", 2, ("before", "ALARM", "OK")),
    ],
)
def test_the_judge_knows_the_user_guide_s_examples(points: str, to_alarm: int, states: tuple[str, ...]) -> None:
    breaching = [{"0": False, "X": True, "-": None}[point] for point in points]
    found = [judged(breaching, 3, to_alarm, missing, "before") for missing in ("ignore", "breaching", "notBreaching")]
    assert tuple(found) == states


@pytest.mark.endpoints("ministack")
def test_an_endpoint_that_evaluates_says_the_same(cloudwatch: CloudWatchClient) -> None:
    """Of seconds, not minutes, for it evaluates by its own clock; missing data it does not know."""
    topic = topic_of(sns_client(), "ops", "a@b.example")
    quick = [replace(alarm, period_seconds=1, periods=1) for alarm in alarms(CHECKS)]
    apply_alarms(cloudwatch, "shop", quick, topic)
    sink = CloudWatchSink("shop", cloudwatch)
    evaluated = {alarm_name("shop", watched) for watched in Watched if watched is not Watched.CHECK_MISSING}

    def until_all_are(wanted: str, metrics: list[Metric]) -> None:
        deadline = time.monotonic() + 30
        while (states := _states(cloudwatch, evaluated)) != {wanted} and time.monotonic() < deadline:
            sink.emit(metrics, time.time())
            time.sleep(0.1)
        assert states == {wanted}

    until_all_are("OK", [*WELL, *EQUAL])
    until_all_are("ALARM", [*ALL_WRONG, *UNEQUAL[:-1], *FAILED])
    until_all_are("OK", [*WELL, *EQUAL])


def _states(client: CloudWatchClient, names: set[str]) -> set[str]:
    return {one["StateValue"] for one in client.describe_alarms()["MetricAlarms"] if one["AlarmName"] in names}


@pytest.mark.endpoints("moto", "ministack")
def test_what_is_so_already_is_left_alone(
    cloudwatch: CloudWatchClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = tmp_path / "shop.yaml"
    mapping.write_text(MAPPING)

    def said(*options: str) -> str:
        assert cli.run(["alarms", str(mapping), *options]) == Exit.DONE
        return capsys.readouterr().out

    everything = ("--apply", "--dashboard", "--topic", "ops", "--email", "a@b.example")
    assert "created: crossover-shop-lag, " in said(*everything)
    assert said(*everything) == "alarms of shop: nothing to change; 8 left as they are\n"
    assert len(sns_client().list_subscriptions()["Subscriptions"]) == 1

    mapping.write_text(MAPPING.replace("120", "121").replace('schedule: "0 2 * * *", ', ""))
    again = said(*everything)
    assert "changed: crossover-shop-lag, crossover-shop\n" in again  # the limit stands on the dashboard, too
    assert "removed: crossover-shop-check-missing\n" in again
    assert "no check-missing alarm: the mapping has no checks.schedule" in again

    apply_alarms(cloudwatch, "shop-2", alarms(CHECKS), None)
    said("--remove")
    left = [one["AlarmName"] for one in cloudwatch.describe_alarms()["MetricAlarms"]]
    assert left and all(name.startswith("crossover-shop-2-") for name in left)
    assert "nothing to change" in said("--remove")


def test_a_verification_that_fails_is_told(cloudwatch: CloudWatchClient) -> None:
    def verify() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"), open_sinks(["cloudwatch"], "shop") as sinks, failure_told(sinks):
        verify()
    (found,) = cloudwatch.list_metrics(Namespace="Crossover")["Metrics"]
    assert found["MetricName"] == "VerificationFailed"
    assert found["Dimensions"] == [{"Name": "Migration", "Value": "shop"}]


def test_cloudwatch_that_is_away_hinders_nobody(
    monkeypatch: pytest.MonkeyPatch, cloudwatch: CloudWatchClient, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with open_sinks(["cloudwatch"], "shop") as sinks:
        sinks.emit(WELL)
    assert sinks.lost == 1
    assert "cloudwatch has not taken them (CloudWatch: PutMetricData: CloudWatch cannot be reached" in caplog.text
