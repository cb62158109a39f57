"""Parts of a backfill as Dagster's partitions: launched, seen, retried and cancelled alone, by typed configuration."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from dagster_defs import backfill as backfill_module
from dagster_defs.backfill import PARTITIONS, RunLog
from dagster_defs.definitions import definitions_of
from dagster_defs.migrations import find_migrations
from dagster_defs.resources import SparkResource
from pipelines.fanout import in_process
from pipelines.items.source_type import Kind
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.warehouse.lock import stage_lock
from tests.finished_stages import Row, finish_records, finish_snapshot, table

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]

ROWS, BUCKETS = 640, 16
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
ASSET = dg.AssetKey(["notes", "backfill"])
NOTES = """\
migration: notes
target: {tables: {notes: {partition_key: {name: pk, type: S}}}}
items: {note: {table: notes, from: notes, key: {pk: "NOTE#{note_id}"}}}
"""

CHILD = """
import sys
from pathlib import Path
from tests.integration.test_dagster_parts import launch, without_spark
import dagster as dg
without_spark()
with dg.DagsterInstance.ephemeral() as instance:
    launch(Path(sys.argv[1]), instance, sys.argv[2])
"""


@pytest.fixture
def folder(dynamodb_environment: str, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With one mapping, whose records are made; there is no source. Parts need no Spark session here."""
    monkeypatch.delenv("CROSSOVER_SOURCE_URL", raising=False)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(warehouse))
    monkeypatch.setattr(backfill_module, "SparkFanOut", lambda _: in_process)
    monkeypatch.setattr(SparkResource, "session", lambda _: None)
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "notes.yaml").write_text(NOTES, encoding="utf-8")
    migration = Migration.open(folder / "notes.yaml")
    finish_snapshot(migration, "s1", table("notes", "note_id", body=Kind.TEXT))
    keys = [f'"pk":{{"S":"NOTE#{number}"}}' for number in range(ROWS)]
    rows = [Row("note", "notes", f"{{{key}}}", f'{{"body":{{"S":"x"}},{key}}}') for key in keys]
    finish_records(migration, "s1", rows, buckets=BUCKETS)
    return folder


def without_spark() -> None:
    """For a process of its own."""
    patches = pytest.MonkeyPatch()
    patches.setattr(backfill_module, "SparkFanOut", lambda _: in_process)
    patches.setattr(SparkResource, "session", lambda _: None)


def launch(
    folder: Path, instance: dg.DagsterInstance, first: str, last: str | None = None, **config: Any
) -> dg.ExecuteInProcessResult:
    """As the button `Materialize` of the asset's page does it: one partition, or a range of them in a single run."""
    job = definitions_of(find_migrations(folder)).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        asset_selection=[ASSET],
        partition_key=first if last is None else None,
        tags={} if last is None else {START: first, END: last},
        run_config={"ops": {"notes__backfill": {"config": {"mode": "cold"} | config}}},
        raise_on_error=False,
    )


def written(result: dg.ExecuteInProcessResult) -> dict[str | None, Any]:
    """By partition, what its materialisation says."""
    assert result.success
    return {
        event.partition: {name: entry.value for name, entry in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
    }


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return str(event.step_failure_data.user_failure_data)


def said(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> list[str]:
    return [record.user_message for record in instance.all_logs(result.run_id)]


def items() -> int:
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName="notes", Select="COUNT")
    return sum(page["Count"] for page in pages)


def manifests(warehouse: Path) -> list[Path]:
    return list((warehouse / "notes" / "backfills").glob("*/manifest.json"))


def test_parts_are_launched_and_seen_alone_and_a_range_in_one_run(folder: Path, warehouse: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        third = written(launch(folder, instance, "3-of-8", wcu="50000"))["3-of-8"]
        assert (third["records"], third["written"]) == (items(), items())
        assert 0 < items() < ROWS / 4
        assert instance.get_materialized_partitions(ASSET) == {"3-of-8"}
        rest = written(launch(folder, instance, "4-of-8", "8-of-8"))
        assert set(rest) == {f"{n}-of-8" for n in range(4, 9)}
        assert manifests(warehouse) == []
        last = written(launch(folder, instance, "1-of-8", "2-of-8"))["1-of-8"]
        assert last["run_id"] == third["run_id"] == manifests(warehouse)[0].parent.name
        assert items() == ROWS
        assert {"items", "seconds", "items_per_second", "mode", "snapshot_id"} <= set(last)
        assert instance.get_materialized_partitions(ASSET) == set(PARTITIONS.get_partition_keys())


def test_a_part_that_is_killed_is_launched_again_after_another(folder: Path, warehouse: Path) -> None:
    accounts = warehouse / "notes" / "backfills"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", CHILD, str(folder), "3-of-8"], env=environment) as child:
        while child.poll() is None and not list(accounts.glob("*/buckets/*.json")):
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
    assert [path.name for path in accounts.glob("*/buckets/*.json")] == ["4.json"]
    with dg.DagsterInstance.ephemeral() as instance:
        other = written(launch(folder, instance, "5-of-8"))["5-of-8"]
        again = written(launch(folder, instance, "3-of-8"))["3-of-8"]
        assert again["run_id"] == other["run_id"]
        assert 0 < again["items"] < again["written"] == again["records"]  # what was there was not written again
        assert items() == again["written"] + other["written"]


def test_a_part_that_is_cancelled_says_so_and_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Terminate` says that the run is being cancelled, and interrupts its process; the fan-out raises once it has
    obeyed."""

    def interrupted(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        in_process(tasks[:1], work, **options)
        instance.report_run_canceling(instance.get_runs()[0])
        raise KeyboardInterrupt

    with dg.DagsterInstance.ephemeral() as instance:
        with monkeypatch.context() as patched:
            patched.setattr(backfill_module, "SparkFanOut", lambda _: interrupted)
            launch(folder, instance, "3-of-8")
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.CANCELED
        messages = [record.user_message for record in instance.all_logs(run.run_id)]
        assert any("part 3-of-8: stopped; the buckets under way were finished; launch it again" in m for m in messages)
        again = written(launch(folder, instance, "3-of-8"))["3-of-8"]
        assert 0 < again["items"] < again["written"] == items()


def test_two_at_once_are_refused_by_the_id_of_the_first(folder: Path) -> None:
    root = Migration.open(folder / "notes.yaml").folder.root
    with dg.DagsterInstance.ephemeral() as instance, stage_lock(root, "backfill", "first"):
        assert "backfill: run first is under way" in failure(launch(folder, instance, "3-of-8"))
    assert items() == 0


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"mode": "import"}, "leave item types, buckets, parts, `force: true` and `wcu` out"),
        ({"item_types": ["nobody"]}, "no item type nobody"),
        ({"buckets": [16]}, "buckets are numbered from 0 to 15"),
        ({"resume": True}, "no table notes on"),
        ({"snapshot": "s9"}, "no such run"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder: Path, config: dict[str, Any], problem: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert problem in failure(launch(folder, instance, "3-of-8", **config))


@pytest.mark.parametrize("config", [{"mode": "warm"}, {"buckets": ["one"]}, {"item_types": "note"}, {"force": "yes"}])
def test_configuration_is_typed(folder: Path, config: dict[str, Any]) -> None:
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.DagsterInvalidConfigError):
        launch(folder, instance, "3-of-8", **config)


def test_how_far_and_how_fast_is_in_the_runs_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill_module, "SAID_EVERY_SECONDS", 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        result = launch(folder, instance, "3-of-8")
        lines = [line for line in said(instance, result) if line.startswith("backfill: ")]
        count = written(result)["3-of-8"]["written"]
    assert lines[-1].startswith(f"backfill: {count} of {count} items, ")
    assert "/s, " in lines[-1]


def test_the_rate_is_of_this_run_alone() -> None:
    log = RunLog(dg.build_asset_context().log)
    assert log.numbers == {"items": 0, "seconds": 0.0, "items_per_second": 0.0}
    progress = Progress("backfill", 10, "items")
    progress.advance(4)
    log.heard(progress)
    assert log.numbers["items"] == 4
