"""The job that prunes: it says what it would remove, and removes it only where the migration's name confirms it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_defs.prune_job import prune_job
from pipelines.migration import Migration
from pipelines.warehouse.lock import stage_lock
from tests.finished_stages import finish_snapshot, open_migration, table
from tests.on_disk import on_disk

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning:dagster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]

KEPT = """
migration: kept
target: {tables: {kept: {partition_key: {name: pk, type: S}}}}
items: {one: {table: kept, from: ones, key: {pk: "{id}"}}}
"""


@pytest.fixture
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Migration:
    """Keeps one snapshot of the three that there are."""
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    migration = open_migration(KEPT + "retention: {snapshots: 1}\n", tmp_path, tmp_path / "warehouse")
    for name in ("s1", "s2", "s3"):
        finish_snapshot(migration, name, table("ones", "id"))
    return migration


def launched(migration: Migration, **config: Any) -> dg.ExecuteInProcessResult:
    given = {"ops": {"kept_prune_run": {"config": config}}} if config else {}
    with dg.DagsterInstance.ephemeral() as instance:
        job = prune_job("kept", migration.path)
        return job.execute_in_process(instance=instance, run_config=given, raise_on_error=False)


def told(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    assert result.success
    (event,) = [event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_OUTPUT]
    return {name: getattr(entry, "value", entry) for name, entry in event.step_output_data.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    failed = event.step_failure_data.user_failure_data
    assert failed is not None
    return failed.description or ""


def snapshots(migration: Migration) -> set[str]:
    return {path.name for path in (on_disk(migration.folder.root) / "snapshots").iterdir()}


def test_it_says_what_would_go_and_removes_it_once_it_is_confirmed(migration: Migration) -> None:
    plan = told(launched(migration))
    assert (plan["prune"], plan["removals"]) == ("planned", 2)
    assert [record.data["id"] for record in plan["runs"].records] == ["s1", "s2"]
    assert failure(launched(migration, apply=True)).startswith("apply: nothing was done; write the migration's name")
    assert snapshots(migration) == {"s1", "s2", "s3"}
    assert told(launched(migration, apply=True, confirm="kept"))["prune"] == "applied"
    assert snapshots(migration) == {"s3"}


def test_a_stage_at_work_and_a_mapping_that_keeps_all_are_one_line(migration: Migration) -> None:
    with stage_lock(migration.folder.root, "dump", "d1"):
        assert "dump: run d1 is under way" in failure(launched(migration, apply=True, confirm="kept"))
    migration.path.write_text(KEPT, encoding="utf-8")
    assert "the mapping has no `retention`" in failure(launched(migration))
