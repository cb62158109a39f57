"""`crossover ui` while its processes, and it itself, are killed in the middle of a backfill, and when it is started
again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from pipelines.target.embedded import EmbeddedDynamoDB
from pipelines.warehouse.layout import MigrationFolder, read_manifest
from pipelines.warehouse.manifest import BackfillManifest
from pipelines.warehouse.place import Place
from tests.acting_endpoint import Act, ActingEndpoint
from tests.dagster_ui import LOCATION, LONGEST_SECONDS, Ui, kill, processes_of, serving
from tests.notes import NOTES, make_notes
from tests.torture import TORTURE

pytestmark = pytest.mark.e2e

MAPPING = NOTES + 'checks: {schedule: "0 2 * * *"}\n'
COUNT = 300
AT_A_TIME = 8
KILLED = ("multiprocessing.spawn", "api grpc", "code-server start")
"""A run's worker; the process that Dagster serves code from; the one that this is a child of."""
CONFIG = {"ops": {"notes__backfill": {"config": {"mode": "cold"}}}}
SCHEDULE = {**LOCATION, "scheduleName": "notes_nightly"}
STATUS = """
query Status($schedule: ScheduleSelector!) {
  scheduleOrError(scheduleSelector: $schedule) { ... on Schedule { scheduleState { id status } } }
}
"""
STOP = "mutation Stop($id: String!) { stopRunningSchedule(id: $id) { __typename } }"
CHECKS = """
{ assetCheckExecutions(assetKey: {path: ["notes", "diff"]}, checkName: "consistent", limit: 5) { status } }
"""


class Gate(ActingEndpoint):
    """Lets so many batches through, and then none until it is opened."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream, fault=self._pass)
        self._closed_from = AT_A_TIME
        self._opened = threading.Event()
        self._is_waited_at = threading.Event()

    def own(self) -> Mapping[str, Act]:
        return {}

    def is_reached(self) -> bool:
        return self._is_waited_at.wait(LONGEST_SECONDS)

    def open(self, more: int) -> None:
        """For what waits there and so many batches after it."""
        self._closed_from = self.actions.count("BatchWriteItem") + more
        self._is_waited_at.clear()
        opened, self._opened = self._opened, threading.Event()
        opened.set()

    def _pass(self, action: str, number: int) -> None:
        if action == "BatchWriteItem" and number >= self._closed_from:
            opened = self._opened
            self._is_waited_at.set()
            opened.wait(LONGEST_SECONDS)


@pytest.fixture
def environment(
    database_url: str, dynamodb_environment: str, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (tmp_path / "gql.py").write_text("raise ImportError('Dagster has a package of this name')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (folder / "notes.yaml").write_text(MAPPING, encoding="utf-8")
    make_notes(database_url, COUNT)
    return {
        **os.environ,
        "CROSSOVER_SOURCE_URL": database_url,
        "CROSSOVER_WAREHOUSE": str(warehouse),
        "CROSSOVER_MIGRATIONS": str(folder),
    }


def test_kills_in_the_middle_of_a_backfill_and_a_restart(
    environment: dict[str, str], dynamodb_server: EmbeddedDynamoDB, warehouse: Path, tmp_path: Path
) -> None:
    home = warehouse / ".dagster"
    with Gate(dynamodb_server.url).serving() as gate:
        environment["AWS_ENDPOINT_URL_DYNAMODB"] = gate.url
        with serving(environment, tmp_path / "first.log") as ui:
            runs = [ui.launch("notes_backfill", CONFIG)]
            assert gate.is_reached(), ui.log.read_text()

            kill(home, "dagster._daemon")
            kill(home, "dagster_webserver")
            assert ui.statuses() == {runs[0]: "STARTED"}  # the web server answers again, and the run goes on

            for what in KILLED if TORTURE else KILLED[:1]:
                kill(home, what)
                gate.open(AT_A_TIME)  # what was sent before arrives now
                assert ui.ended(runs[-1]) == "FAILURE"
                runs.append(ui.go_on(runs[-1]))  # launched by the daemon, which was started again, too
                assert gate.is_reached(), ui.log.read_text()

            switch_off(ui)
            leave_a_failed_check(home)
            ui.stop(signal.SIGKILL)

        with serving(environment, tmp_path / "second.log", like=ui) as again:
            assert (again.url, again.reports) == (ui.url, ui.reports)
            assert again.statuses() == dict.fromkeys(runs, "FAILURE")
            assert state(again)["status"] == "STOPPED"
            assert again.ask(CHECKS)["assetCheckExecutions"] == [{"status": "FAILED"}]

            gate.open(COUNT)
            assert again.ended(again.go_on(runs[-1])) == "SUCCESS"
            assert_all_is_written(warehouse)
            assert again.stop(signal.SIGINT) == 0
    assert processes_of(home) == {}


def assert_all_is_written(warehouse: Path) -> None:
    folder = MigrationFolder(Place.of(warehouse / "notes"))
    (run_id,) = folder.finished("backfills")
    run = read_manifest(folder.backfill(run_id), BackfillManifest)
    assert (run.records, run.written, run.superseded, run.conflicts, run.failed) == (COUNT, COUNT, 0, 0, 0)
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName="notes")
    items = [item for page in pages for item in page["Items"]]
    assert {item["pk"]["S"]: (item["note_id"], item["body"]) for item in items} == {
        f"NOTE#{number}": ({"N": str(number)}, {"S": f"note {number}"}) for number in range(1, COUNT + 1)
    }


def state(ui: Ui) -> Any:
    return ui.ask(STATUS, schedule=SCHEDULE)["scheduleOrError"]["scheduleState"]


def switch_off(ui: Ui) -> None:
    assert state(ui)["status"] == "RUNNING"
    ui.ask(STOP, id=state(ui)["id"])


def leave_a_failed_check(home: Path) -> None:
    """In the records of the instance, as a run would."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=dg.AssetKey(["notes", "diff"]), check_name="consistent", passed=False)
        )
