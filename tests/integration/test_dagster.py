"""Dagster's side: the graph it shows, the jobs it runs on real parts, the verdict it draws."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from dagster_defs.backfill import PARTS
from dagster_defs.definitions import definitions_of
from dagster_defs.migrations import Broken, find_migrations
from dagster_defs.ui import instance_folder
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.place import Place
from tests.notes import NOTES, make_notes

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]

MAPPING = NOTES + 'checks: {schedule: "0 2 * * *", time_zone: Europe/Zurich}\n'

GRAPH = """\
notes/assessment [notes] html+postgres <- nothing
notes/backfill [notes] dynamodb+spark <- notes/records
notes/capture [notes] postgres <- nothing
notes/diff [notes] parquet+spark <- notes/dump, notes/records
notes/dump [notes] dynamodb+parquet <- notes/backfill, notes/records
notes/records [notes] parquet+spark <- notes/snapshot
notes/report [notes] html <- notes/diff
notes/snapshot [notes] parquet+postgres <- notes/capture"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "notes.yaml").write_text(MAPPING, encoding="utf-8")
    return path


def test_the_graph_tells_the_story(folder: Path) -> None:
    graph = definitions_of(find_migrations(folder)).resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.to_user_string()):
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys)) or "nothing"
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
    (folder / "twin.yaml").write_text(MAPPING, encoding="utf-8")
    found = find_migrations(folder)
    assert [type(one) is Broken for one in found] == [True, False, True]
    graph = definitions_of(found).resolve_asset_graph()
    assert "broken.yaml" in (graph.get(dg.AssetKey(["broken", "mapping", "broken"])).description or "")
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
    make_notes(database_url, 100)


@pytest.mark.usefixtures("notes", "spark")
@pytest.mark.filterwarnings("default")  # Great Expectations' own
def test_backfill_verify_and_the_verdict(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = folder / "metrics.log"
    monkeypatch.setenv("CROSSOVER_METRICS", f"emf:{metrics}")
    definitions = definitions_of(find_migrations(folder))
    with dg.DagsterInstance.ephemeral() as instance:
        backfill = definitions.resolve_job_def("notes_backfill").execute_in_process(
            instance=instance, run_config={"ops": {"notes__backfill": {"config": {"mode": "cold"}}}}
        )
        assert numbers(backfill, "backfill")["written"] == 100
        assert len(instance.get_materialized_partitions(dg.AssetKey(["notes", "backfill"]))) == PARTS
        newest = instance.get_latest_materialization_event(dg.AssetKey(["notes", "backfill"]))
        assert newest is not None and newest.asset_materialization is not None
        assert newest.asset_materialization.metadata["written"].value == 100
        made = numbers(backfill, "records")
        assert (made["records"], made["backfill_write_units"], made["backfill_usd_on_demand"]) == (100, 100, 0.0001)
        assert is_shown(backfill, "records")

        verify = definitions.resolve_job_def("notes_verify")
        first = verify.execute_in_process(instance=instance)
        assert {"consistent", "note_consistent"} <= passed(first)
        assert (numbers(first, "diff")["match"], numbers(first, "diff")["differences"]) == (100, 0)
        assert numbers(first, "dump")["items notes"] == 100
        assert is_shown(first, "dump")
        assert not is_shown(first, "diff")

        client = dynamodb_client()
        client.delete_item(TableName="notes", Key={"pk": {"S": "NOTE#7"}})
        every = {"ops": {"notes__diff": {"config": {"sample": 1.0, "judge_at_most": 0}}}}
        second = verify.execute_in_process(instance=instance, run_config=every)
        assert not {"consistent", "note_consistent"} & passed(second)
        found = numbers(second, "diff")
        assert (found["missing"], found["judged_again"], found["not_judged_again"]) == (1, 0, 1)
        assert is_shown(second, "diff")
        assert found["report"] == numbers(second, "report")["report"]
        page = str(found["report"])
        assert "Not consistent" in Path(page.removeprefix("file://")).read_text()
        emitted = [json.loads(line) for line in metrics.read_text().splitlines()]
        assert [line["Consistent"] for line in emitted if "Consistent" in line] == [1, 0]


@pytest.mark.usefixtures("notes")
def test_a_user_error_fails_the_step_with_its_own_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", "mysql://somebody@127.0.0.1/shop")
    job = definitions_of(find_migrations(folder)).resolve_job_def("notes_verify")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    failures = [event for event in result.all_events if event.is_step_failure]
    assert "MySQL" in str(failures[0].step_failure_data.user_failure_data)


def passed(result: dg.ExecuteInProcessResult) -> set[str]:
    return {check.check_name for check in result.get_asset_check_evaluations() if check.passed}


def is_shown(result: dg.ExecuteInProcessResult, stage: str) -> bool:
    """Whether the materialisation has a table of sample rows."""
    return isinstance(metadata(result, stage).get("sample"), dg.TableMetadataValue)


def numbers(result: dg.ExecuteInProcessResult, stage: str) -> dict[str, object]:
    return {name: getattr(entry, "value", None) for name, entry in metadata(result, stage).items()}


def metadata(result: dg.ExecuteInProcessResult, stage: str) -> Mapping[str, dg.MetadataValue]:
    """Of one stage's materialisation, that of all its partitions at once."""
    events = [e for e in result.get_asset_materialization_events() if e.asset_key and e.asset_key.path[-1] == stage]
    (event,) = [event for event in events if event.partition is None]
    return event.materialization.metadata


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
