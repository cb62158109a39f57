"""News of runs and nights on its way: real sockets, SNS as moto has it, and sensors as the daemon evaluates them."""

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
import requests

from dagster_defs.check_verdicts import CONSISTENT
from dagster_defs.checks import migration_checks
from dagster_defs.freshness import freshness_sensors
from dagster_defs.news import Channel, Event, News
from dagster_defs.notifications import notification_sensors
from dagster_defs.notify import Log, Topic, channels, deliver
from dagster_defs.on_failure import CommandChannel
from dagster_defs.running import tags_of
from dagster_defs.ui import serve_ui
from dagster_defs.webhook import Webhook
from expectations.links import PAGE
from pipelines.errors import CrossoverError, UsageError
from pipelines.migration import Migration
from pipelines.warehouse.layout import read_manifest, write_manifest
from pipelines.warehouse.manifest import DiffManifest
from tests.http_front import FrontHandler, serving
from tests.unit.expectations.finished_diff import MAPPING, RUN, Difference, FinishedDiff, order_key

pytestmark = pytest.mark.integration

NEWS = {"migration": "shop", "job": "shop_verify", "event": "failed", "message": "Zoë’s tables are gone"}
SECRET = "T0K3N-which-nobody-may-see"
ARN = "arn:aws:sns:eu-central-1:123456789012:crossover"


class Receiver:
    """What was posted to it; answers with the next of `answers`, the last of them for ever. 0 is no answer."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.posted: list[tuple[str, dict[str, Any]]] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[str]:
        """Gives the webhook's URL."""
        with serving(self._handler()) as url:
            yield f"{url}/hooks/{SECRET}"

    def _handler(self) -> type[FrontHandler]:
        receiver = self

        class Handler(FrontHandler):
            def respond(self, body: bytes) -> None:
                receiver.posted.append((self.path, json.loads(body)))
                status = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                if not status:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

        return Handler


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagster_defs.webhook._WAITS_SECONDS", (0.0, 0.0))


@pytest.mark.parametrize(
    ("answers", "tries", "problem"),
    [
        ((200,), 1, ""),
        ((204,), 1, ""),
        ((503, 200), 2, ""),
        ((0, 429, 200), 3, ""),
        ((500,), 3, "hook: answered with 500"),
        ((404,), 1, "hook: answered with 404"),
        ((307,), 1, "hook: answered with 307"),  # whoever it points to is not told
        ((0,), 3, "hook: cannot be reached"),
    ],
)
def test_a_webhook_is_posted_to_until_it_takes_it(answers: tuple[int, ...], tries: int, problem: str) -> None:
    receiver = Receiver(*answers)
    with receiver.listening() as url:
        found = deliver([Webhook.of(url, "hook")], NEWS)
    assert found.startswith(problem) and bool(found) is bool(problem)
    assert SECRET not in found
    assert receiver.posted == [(f"/hooks/{SECRET}", NEWS)] * tries


def test_a_webhook_that_is_slow_or_not_there_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagster_defs.webhook.SECONDS_OF_A_TRY", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "no answer within" in deliver([Webhook.of(f"http://127.0.0.1:{port}/{SECRET}", "hook")], NEWS)
    found = deliver([Webhook.of(f"http://127.0.0.1:{port}/{SECRET}", "hook")], NEWS)
    assert "cannot be reached" in found and SECRET not in found and str(port) not in found


def test_no_proxy_is_between_us_and_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    receiver = Receiver(200)
    with receiver.listening() as url:
        assert deliver([Webhook.of(url, "hook")], NEWS) == ""


@pytest.fixture
def topic(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", dynamodb_environment)
    return str(boto3.client("sns", region_name="eu-central-1").create_topic(Name="crossover")["TopicArn"])


def test_a_topic_of_another_region_is_published_to(
    topic: str, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    (told,) = channels({"CROSSOVER_NOTIFY": f"sns:{topic}"})
    assert deliver([told], NEWS) == ""
    kept = requests.get(f"{dynamodb_environment}/moto-api/data.json", timeout=10).json()["sns"]["Topic"][0]
    (message,) = kept["sent_notifications"]
    assert (json.loads(message[1]), message[2]) == (NEWS, "Crossover: shop failed")
    assert {name: value["Value"] for name, value in message[3].items()} == {"migration": "shop", "event": "failed"}


def test_a_topic_that_is_not_there_is_one_line(topic: str) -> None:
    found = deliver([Topic(topic + "-not", "eu-central-1")], NEWS)
    assert found == "SNS: Publish was refused (NotFound)"


def test_the_log_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Log().tell({**NEWS, "message": "postgresql://u:hidden@h/d"})
    line = capsys.readouterr().err
    assert json.loads(line.removeprefix("crossover: "))["job"] == "shop_verify"
    assert "hidden" not in line


def test_a_command_is_given_it_on_stdin(tmp_path: Path) -> None:
    told = tmp_path / "told"
    assert deliver([CommandChannel.of(f"tee '{told}'")], NEWS) == ""
    assert json.loads(told.read_text()) == NEWS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no-such-command-of-ours", "CROSSOVER_ON_FAILURE: no-such-command-of-ours: FileNotFoundError"),
        (f"'{sys.executable}' -c 'raise SystemExit(3)'", "ended with 3"),
        ("sleep 9", "sleep: TimeoutExpired"),
    ],
)
def test_a_command_that_fails_is_one_line(line: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagster_defs.on_failure.SECONDS", 0.2 if "sleep" in line else 40.0)
    assert message in deliver([CommandChannel.of(line)], NEWS)


def test_a_channel_that_fails_keeps_no_other_from_being_told() -> None:
    class Broken:
        def tell(self, news: News) -> None:
            raise ValueError(news["message"])

    first, last = Receiver(404), Receiver(200)
    with first.listening() as bad, last.listening() as good:
        found = deliver([Broken(), Webhook.of(bad, "hook 1"), Webhook.of(good, "hook 2")], NEWS)
    assert found == "ValueError; hook 1: answered with 404"
    assert len(last.posted) == 1


def test_the_settings_say_who_is_told() -> None:
    line = f"log sns:{ARN} webhook:https://hooks.example.com/{SECRET} webhook:http://[::1]:8/x"
    told = channels({"CROSSOVER_NOTIFY": line, "CROSSOVER_ON_FAILURE": "page --team 'data base'"})
    assert [type(one).__name__ for one in told] == ["CommandChannel", "Log", "Topic", "Webhook", "Webhook"]
    assert told[0] == CommandChannel(("page", "--team", "data base"))
    assert told[2] == Topic(ARN, "eu-central-1")
    assert SECRET not in repr(told)
    assert channels({}) == ()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (f"webhok:https://h/{SECRET}", "no such channel"),
        (f"https://h/{SECRET}", "no such channel"),
        ("log:x", "no such channel"),
        (f"webhook:http://example.com/{SECRET}", "in clear"),
        (f"webhook:http://localhost.example.com/{SECRET}", "in clear"),
        (f"webhook:ftp://example.com/{SECRET}", "no URL"),
        (f"webhook:https:///{SECRET}", "no URL"),
        (f"webhook:https://h:port/{SECRET}", "no URL"),
        (f"webhook:https://[/{SECRET}", "no URL"),
        (f"webhook:{SECRET}", "no URL"),
        ("sns:crossover", "no ARN of a standard topic"),
        (f"sns:{ARN}.fifo", "no ARN of a standard topic"),
    ],
)
def test_a_setting_that_is_wrong_is_one_line_and_shows_nothing(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"CROSSOVER_NOTIFY, word 2: .*{message}") as error:
        channels({"CROSSOVER_NOTIFY": f"log {word}"})
    assert SECRET not in str(error.value) and "\n" not in str(error.value)
    assert error.value.__context__ is None or error.value.__suppress_context__


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CROSSOVER_NOTIFY", f"webhok:https://h/{SECRET}", "CROSSOVER_NOTIFY, word 1: no such channel"),
        ("CROSSOVER_OWNERS", "somebody", "CROSSOVER_OWNERS: 'somebody' is no owner"),
        ("CROSSOVER_REPORTS_URL", "reports.example.org", "CROSSOVER_REPORTS_URL: no web address"),
    ],
)
def test_the_ui_does_not_start_with_a_setting_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    def serve(*_: object) -> None:
        raise AssertionError("it was started")

    monkeypatch.setattr("dagster_defs.ui.die_with_parent", lambda: None)
    monkeypatch.setattr("dagster_defs.ui._serve", serve)
    monkeypatch.setenv("CROSSOVER_MIGRATIONS", str(tmp_path))
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message):
        serve_ui(tmp_path, 0, 0)


def test_a_command_line_with_an_open_quote() -> None:
    with pytest.raises(UsageError, match="CROSSOVER_ON_FAILURE: no command line"):
        channels({"CROSSOVER_ON_FAILURE": "page 'data"})


class Told:
    """A channel that keeps what it is told, and fails where it is asked to."""

    def __init__(self) -> None:
        self.news: list[dict[str, str]] = []
        self.problem = ""

    def tell(self, news: News) -> None:
        self.news.append(dict(news))
        if self.problem:
            raise CrossoverError(self.problem)

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(one["event"], one["message"]) for one in self.news]


class Daemon:
    """Evaluates the sensors of one migration as Dagster's does, from where each was."""

    def __init__(self, instance: dg.DagsterInstance, definitions: dg.Definitions) -> None:
        self.instance = instance
        self.repository = definitions.get_repository_def()
        self._cursors: dict[str, str | None] = {}
        self.look()

    def look(self) -> list[str]:
        """One tick of each; the lines of those that failed."""
        problems = []
        for sensor in self.repository.sensor_defs:
            context = dg.build_sensor_context(
                self.instance, self._cursors.get(sensor.name), repository_def=self.repository
            )
            tick = sensor.evaluate_tick(context)
            self._cursors[sensor.name] = tick.cursor
            reactions = tick.dagster_run_reactions or []
            problems += [one.error.message.strip() for one in reactions if one.error is not None]
        return problems

    def run(self, job: str, **config: object) -> dg.ExecuteInProcessResult:
        return self.repository.get_job(job).execute_in_process(
            instance=self.instance,
            run_config={"ops": {"work": {"config": config}}} if config else {},
            raise_on_error=False,
        )


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def daemon(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """Of the migration `shop`: its checks, a job that fails when told to, and one that runs every minute."""
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    migration = FinishedDiff().write(tmp_path)
    diff = dg.AssetKey(["shop", "diff"])
    verify = dg.define_asset_job(
        "shop_verify",
        dg.AssetSelection.checks(dg.AssetCheckKey(diff, CONSISTENT)),
        tags=tags_of("shop", "verify"),
    )
    definitions = dg.Definitions(
        assets=[dg.AssetSpec(diff)],
        asset_checks=migration_checks(migration.mapping, migration.path),
        jobs=[verify, *(working(f"{name}_{job}", tags_of(name, job)) for name, job in JOBS)],
        sensors=notification_sensors("shop", [told]),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(instance, definitions)


JOBS = (("shop", "backfill"), ("shop", "relay_drain"), ("shop_2", "backfill"))


class Work(dg.Config):
    failing: str = ""


def working(name: str, tags: dict[str, str]) -> dg.JobDefinition:
    @dg.op(name="work")
    def work(config: Work) -> None:
        if config.failing:
            raise dg.Failure(config.failing, allow_retries=False)

    @dg.job(name=name, tags=tags, executor_def=dg.in_process_executor)
    def job() -> None:
        work()

    return job


def test_a_failed_run_and_the_first_good_one_after_it(daemon: Daemon, told: Told) -> None:
    failed = daemon.run("shop_backfill", failing="the source is away: postgresql://u:hidden@h/d\nmore of it")
    daemon.run("shop_2_backfill", failing="another migration's")
    assert daemon.look() == []
    assert told.news == [
        {
            "migration": "shop",
            "job": "shop_backfill",
            "dagster_run_id": failed.run_id,
            "event": "failed",
            "message": "the source is away: postgresql://u:•••@h/d",
        }
    ]
    for _ in range(2):
        daemon.run("shop_backfill")
        daemon.look()
    daemon.run("shop_verify")
    daemon.look()
    assert told.events[1:] == [("recovered", "succeeded again")]


def test_unequal_stores_and_the_first_good_verification_after_them(daemon: Daemon, told: Told, tmp_path: Path) -> None:
    FinishedDiff().planted(Difference("missing", order_key(1))).write(tmp_path)
    bad = daemon.run("shop_verify")
    daemon.look()
    report = (tmp_path / "warehouse" / "shop" / "reports" / RUN / "index.html").as_uri()
    found = {"run_id": RUN, "report": report}
    of_run = {"migration": "shop", "job": "shop_verify", "dagster_run_id": bad.run_id}
    assert told.news == [{**of_run, "event": "inconsistent", "message": "1 missing", **found}]
    FinishedDiff().write(tmp_path)
    for _ in range(2):
        daemon.run("shop_verify")
        daemon.look()
    assert told.events[1:] == [("recovered", "consistent again")]
    assert told.news[1]["run_id"] == RUN


def test_a_verification_whose_verdict_could_not_be_looked_up(daemon: Daemon, told: Told, tmp_path: Path) -> None:
    manifest = tmp_path / "warehouse" / "shop" / "diffs" / RUN / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text("{")
    daemon.run("shop_verify")
    assert daemon.look() == []
    ((event, message),) = told.events
    assert event == "failed" and message.startswith("could not be checked: ") and str(manifest) in message
    manifest.write_text(whole)
    daemon.run("shop_verify")
    daemon.look()
    assert told.events[1:] == [("recovered", "consistent again")]


def test_what_runs_every_minute_is_told_once_until_it_is_good_again(daemon: Daemon, told: Told) -> None:
    for failing in ("away", "away", "away", "", ""):
        daemon.run("shop_relay_drain", failing=failing)
        daemon.look()
    assert told.events == [("failed", "away"), ("recovered", "succeeded again")]


def test_runs_are_told_one_at_a_tick_and_never_again_whatever_goes_wrong(daemon: Daemon, told: Told) -> None:
    told.problem = "hook: answered with 500"
    for number in range(3):
        daemon.run("shop_backfill", failing=f"failure {number}")
    for number in range(3):
        assert daemon.look() == ["hook: answered with 500"]
        assert len(told.news) == number + 1
    assert daemon.look() == []
    assert [message for _, message in told.events] == ["failure 0", "failure 1", "failure 2"]


def test_a_run_that_makes_assets_by_hand_is_told_of(tmp_path: Path, told: Told) -> None:
    """As one of a partition of the backfill, which no job is for."""

    @dg.asset(key=["shop", "backfill"])
    def backfill() -> None:
        raise dg.Failure("throttled", allow_retries=False)

    @dg.asset(key=["shop_2", "backfill"])
    def other() -> None:
        raise dg.Failure("another migration's", allow_retries=False)

    definitions = dg.Definitions(assets=[backfill, other], sensors=notification_sensors("shop", [told]))
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(instance, definitions)
        for asset in (backfill, other):
            daemon.repository.get_implicit_global_asset_job_def().get_subset(
                asset_selection={asset.key}
            ).execute_in_process(instance=instance, raise_on_error=False, asset_selection=[asset.key])
        daemon.look()
        daemon.look()
    assert told.events == [("failed", "throttled")]


def test_without_a_channel_there_is_no_sensor() -> None:
    assert notification_sensors("shop", []) == []


NIGHTLY = MAPPING.replace("checks: {", 'checks: {schedule: "0 2 * * *", ')


class Nights:
    """The sensor that watches the nights, as the daemon evaluates it."""

    def __init__(self, migration: Migration, told: Channel) -> None:
        (self._sensor,) = freshness_sensors(migration.mapping, [told])
        self.cursor: str | None = None

    def look(self) -> list[dg.AssetCheckEvaluation]:
        with dg.DagsterInstance.ephemeral() as instance:
            tick = self._sensor.evaluate_tick(dg.build_sensor_context(instance, self.cursor))
        self.cursor = tick.cursor
        return [one for one in tick.asset_events if isinstance(one, dg.AssetCheckEvaluation)]


def verified(migration: Migration, finished_at: datetime, consistent: bool = True, run_id: str = RUN) -> None:
    run = read_manifest(migration.folder.diff(RUN), DiffManifest).model_copy(
        update={"id": run_id, "started_at": finished_at, "finished_at": finished_at, "consistent": consistent}
    )
    write_manifest(migration.folder.diff(run_id), run)
    (migration.folder.report(run_id) / PAGE).write_atomically("a page")


@pytest.fixture
def nightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Migration:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    migration = FinishedDiff().write(tmp_path, NIGHTLY)
    migration.folder.snapshot("20261124T085000-0a0a0a").remove_tree()
    return migration


def test_a_missed_night_turns_red_once_and_is_told_and_so_is_the_next_good_one(nightly: Migration, told: Told) -> None:
    now = datetime.now(UTC)
    verified(nightly, now - timedelta(days=2))
    nights = Nights(nightly, told)
    (red,) = nights.look()
    assert (red.asset_key, red.check_name, red.passed) == (dg.AssetKey(["shop", "report"]), "report_fresh", False)
    assert red.severity is dg.AssetCheckSeverity.ERROR
    assert "Next: look into the runs of the job shop_verify" in (red.description or "")
    assert nights.look() == []
    verified(nightly, now)
    (green,) = nights.look()
    assert green.passed
    assert nights.look() == []
    assert [one["event"] for one in told.news] == [Event.MISSED, Event.RECOVERED]
    assert told.news[0]["job"] == "shop_verify"


def test_a_night_that_comes_late_and_finds_the_stores_unequal_is_nothing_good(nightly: Migration, told: Told) -> None:
    now = datetime.now(UTC)
    verified(nightly, now - timedelta(days=2))
    nights = Nights(nightly, told)
    nights.look()
    verified(nightly, now, consistent=False)
    assert [one.passed for one in nights.look()] == [True]
    assert [one["event"] for one in told.news] == [Event.MISSED]


def test_a_verification_of_the_command_line_makes_the_check_green(nightly: Migration, told: Told) -> None:
    """Dagster's own run of that night may have failed, and its check with it."""
    now = datetime.now(UTC)
    verified(nightly, now - timedelta(minutes=2))
    nights = Nights(nightly, told)
    nights.look()
    verified(nightly, now, run_id="29991231T000000-0000000")
    assert [one.passed for one in nights.look()] == [True]
    assert told.news == []


def test_where_nothing_was_ever_verified_nights_count_from_the_first_look(nightly: Migration, told: Told) -> None:
    nights = Nights(nightly, told)
    assert [one.passed for one in nights.look()] == [True]
    assert nights.cursor is not None
    remembered = json.loads(nights.cursor)
    remembered["since"] = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    nights.cursor = json.dumps(remembered)
    assert [one.passed for one in nights.look()] == [False]
    assert told.events[0][1].startswith("no verification has finished yet, there should be one of ")


def test_a_channel_that_fails_does_not_keep_the_check_from_turning_red(nightly: Migration, told: Told) -> None:
    told.problem = "hook: answered with 500"
    verified(nightly, datetime.now(UTC) - timedelta(days=2))
    assert [one.passed for one in Nights(nightly, told).look()] == [False]


def test_what_dagster_keeps_of_the_sensors_news_is_the_checks_state(nightly: Migration, told: Told) -> None:
    verified(nightly, datetime.now(UTC) - timedelta(days=2))
    (red,) = Nights(nightly, told).look()
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(red)
        key = dg.AssetCheckKey(red.asset_key, red.check_name)
        (latest,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert latest.status.value == "FAILED"
