"""Dagster's side: the graph it shows, the jobs it runs on real parts, the verdict it draws."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster import RunStatusSensorDefinition

from dagster_defs.backfill import PARTS
from dagster_defs.definitions import definitions_of
from dagster_defs.migrations import Broken, find_migrations
from dagster_defs.ui import instance_folder
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.place import Place

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]

NOTES = """\
migration: notes
target:
  tables:
    notes:
      partition_key: {name: pk, type: S}
items:
  note:
    table: notes
    from: notes
    key: {pk: "NOTE#{note_id}"}
checks: {schedule: "0 2 * * *", time_zone: Europe/Zurich}
"""

GRAPH = """\
notes/backfill [notes] dynamodb+spark <- notes/records
notes/diff [notes] parquet+spark <- notes/dump, notes/records
notes/dump [notes] dynamodb+parquet <- notes/backfill, notes/records
notes/records [notes] parquet+spark <- notes/snapshot
notes/report [notes] html <- notes/diff
notes/snapshot [notes] parquet+postgres <- """


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "notes.yaml").write_text(NOTES, encoding="utf-8")
    return path


def test_the_graph_tells_the_story(folder: Path) -> None:
    graph = definitions_of(find_migrations(folder)).resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.to_user_string()):
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        lines.append(f"{key.to_user_string()} [{node.group_name}] {'+'.join(sorted(node.kinds))} <- {parents}")
    assert "\n".join(lines) == GRAPH


def test_every_asset_says_what_one_row_is(folder: Path) -> None:
    graph = definitions_of(find_migrations(folder)).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        assert (graph.get(key).description or "").startswith("One row is")


def test_the_schedule_is_the_mappings(folder: Path) -> None:
    schedule, _ = definitions_of(find_migrations(folder)).schedules or []
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Europe/Zurich")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_broken_mapping_takes_nobody_down(folder: Path) -> None:
    (folder / "broken.yaml").write_text("migration: [", encoding="utf-8")
    (folder / "twin.yaml").write_text(NOTES, encoding="utf-8")
    found = find_migrations(folder)
    assert [type(one) is Broken for one in found] == [True, False, True]
    graph = definitions_of(found).resolve_asset_graph()
    assert "broken.yaml" in (graph.get(dg.AssetKey(["broken", "broken"])).description or "")
    assert dg.AssetKey(["notes", "diff"]) in graph.get_all_asset_keys()


def test_dagsters_own_check_of_the_definitions(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "dagster_defs.definitions"],
        env={
            **os.environ,
            "CROSSOVER_MIGRATIONS": str(folder),
            "CROSSOVER_ON_FAILURE": "true",
            "DAGSTER_HOME": str(folder),
        },
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def notes(database_url: str, dynamodb_environment: str, warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(warehouse))
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE notes (note_id int PRIMARY KEY, body text)")
        connection.execute("INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 100) n")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What CROSSOVER_ON_FAILURE's command was given; missing until then."""
    path = tmp_path / "told.json"
    monkeypatch.setenv("CROSSOVER_ON_FAILURE", f"tee '{path}'")
    return path


@pytest.mark.usefixtures("notes", "spark")
@pytest.mark.filterwarnings("default")  # Great Expectations' own
def test_backfill_verify_and_the_verdict(folder: Path, told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = folder / "metrics.log"
    monkeypatch.setenv("CROSSOVER_METRICS", f"emf:{metrics}")
    _, unequal = sensors_of(folder)
    definitions = definitions_of(find_migrations(folder))
    with dg.DagsterInstance.ephemeral() as instance:
        backfill = definitions.resolve_job_def("notes_backfill").execute_in_process(
            instance=instance, run_config={"ops": {"notes__backfill": {"config": {"mode": "cold"}}}}
        )
        assert numbers(backfill, "backfill")["written"] == 100
        assert len(instance.get_materialized_partitions(dg.AssetKey(["notes", "backfill"]))) == PARTS

        verify = definitions.resolve_job_def("notes_verify")
        first = verify.execute_in_process(instance=instance)
        assert outcome(first) == {"consistent": True, "note_consistent": True, "note_settled": True}
        assert numbers(first, "diff")["match"] == 100
        unequal(sensor_context(instance, first))
        assert not told.exists()

        client = dynamodb_client()
        client.delete_item(TableName="notes", Key={"pk": {"S": "NOTE#7"}})
        second = verify.execute_in_process(instance=instance)
        assert outcome(second) == {"consistent": False, "note_consistent": False, "note_settled": True}
        (check,) = [one for one in second.get_asset_check_evaluations() if one.check_name == "note_consistent"]
        assert check.severity is dg.AssetCheckSeverity.ERROR
        assert (check.metadata["wrong"].value, check.metadata["missing"].value) == (1, 1)
        page = str(check.metadata["report"].value)
        assert "Not consistent" in Path(page.removeprefix("file://")).read_text()
        assert numbers(second, "diff")["missing"] == 1
        emitted = [json.loads(line) for line in metrics.read_text().splitlines()]
        assert [line["Consistent"] for line in emitted if "Consistent" in line] == [1, 0]
        unequal(sensor_context(instance, second))
        assert json.loads(told.read_text()) == {
            "event": "inconsistent",
            "migration": "notes",
            "job": "notes_verify",
            "dagster_run_id": second.run_id,
            "message": "1 missing",
            "run_id": check.metadata["run_id"].value,
            "report": page,
        }


@pytest.mark.usefixtures("notes")
def test_a_user_error_fails_the_step_with_its_own_line_and_is_told(
    folder: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", "mysql://somebody@127.0.0.1/shop")
    job = definitions_of(find_migrations(folder)).resolve_job_def("notes_verify")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        failures = [event for event in result.all_events if event.is_step_failure]
        assert "MySQL" in str(failures[0].step_failure_data.user_failure_data)
        failed, _ = sensors_of(folder)
        failed(sensor_context(instance, result).for_run_failure())
    news = json.loads(told.read_text())
    assert (news["event"], news["migration"], news["job"]) == ("failed", "notes", "notes_verify")
    assert "MySQL" in news["message"] and "Traceback" not in news["message"]


def sensors_of(folder: Path) -> list[RunStatusSensorDefinition]:
    """That which tells of failures, and that which tells of unequal stores."""
    sensors = list(definitions_of(find_migrations(folder)).sensors or [])
    assert [one.default_status for one in sensors] == [dg.DefaultSensorStatus.RUNNING] * 2
    return [one for one in sensors if isinstance(one, RunStatusSensorDefinition)]


def sensor_context(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> dg.RunStatusSensorContext:
    return dg.build_run_status_sensor_context("it", result.all_events[-1], instance, result.dagster_run)


def outcome(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def numbers(result: dg.ExecuteInProcessResult, stage: str) -> dict[str, object]:
    """The metadata of one stage's materialisation, that of all its partitions at once."""
    events = [e for e in result.get_asset_materialization_events() if e.asset_key and e.asset_key.path[-1] == stage]
    (event,) = [event for event in events if event.partition is None]
    return {name: entry.value for name, entry in event.materialization.metadata.items()}


@pytest.mark.parametrize(
    ("warehouse", "settings", "folder"),
    [
        ("disk", {}, "disk/.dagster"),
        ("s3://bucket/some/prefix", {"XDG_STATE_HOME": "state"}, "state/crossover/bucket/some/prefix"),
        ("s3://bucket/some/prefix", {"DAGSTER_HOME": "chosen", "XDG_STATE_HOME": "state"}, "chosen"),
    ],
)
def test_the_instance_is_always_on_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warehouse: str, settings: dict[str, str], folder: str
) -> None:
    for name in ("DAGSTER_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    place = Place.of(warehouse if warehouse.startswith("s3:") else tmp_path / warehouse)
    assert instance_folder(place) == tmp_path / folder
    assert (tmp_path / folder / "dagster.yaml").is_file()
    assert (tmp_path / folder).stat().st_mode & 0o077 == 0
