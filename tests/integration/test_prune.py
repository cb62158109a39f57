"""What is taken away is what nobody needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import run
from pipelines.errors import StageError, UsageError
from pipelines.migration import Migration
from pipelines.retention.prune import PrunePlan, plan_prune, prune
from pipelines.warehouse.hold import LostLockError
from pipelines.warehouse.lock import stage_lock
from tests.finished_stages import open_migration
from tests.on_disk import on_disk

pytestmark = pytest.mark.integration

MAPPING = """
migration: kept
target: {tables: {kept: {partition_key: {name: pk, type: S}}}}
items:
  one: {table: kept, from: ones, key: {pk: "{id}"}}
"""
RETENTION = "retention: {snapshots: 2, diffs: 3}\n"
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def opened(folder: Path, more: str = RETENTION) -> Migration:
    return open_migration(MAPPING + more, folder, folder / "warehouse")


def written(migration: Migration, stage: str, id: str, day: int | None, **plan: str) -> Path:
    """`day`: when it was finished; None: it was not."""
    folder = on_disk(migration.folder.root) / stage / id
    folder.mkdir(parents=True)
    (folder / "data.parquet").write_text("some")
    for name in ("plan.json", "run.json"):
        (folder / name).write_text(json.dumps(plan))
    if day is not None:
        at = (BEGAN + timedelta(days=day)).isoformat()
        header = {"format": 1, "crossover": "0", "stage": stage, "migration": "kept", "mapping_hash": "x", "id": id}
        (folder / "manifest.json").write_text(json.dumps({**header, "started_at": at, "finished_at": at, **plan}))
    return folder


def nights(migration: Migration, count: int) -> None:
    """Each with a snapshot, records, a dump, a diff and a report; their names do not tell their order."""
    for day in range(count):
        name = f"n{(day * 7) % count}"
        written(migration, "snapshots", name, day)
        written(migration, "records", name, day, snapshot_id=name)
        written(migration, "dumps", f"d-{name}", day, snapshot_id=name)
        written(migration, "diffs", f"x-{name}", day, snapshot_id=name, dump_id=f"d-{name}")
        report = on_disk(migration.folder.root) / "reports" / f"x-{name}"
        report.mkdir(parents=True)
        (report / "index.html").write_text("report")


def left(migration: Migration) -> dict[str, set[str]]:
    root = on_disk(migration.folder.root)
    stages = ("snapshots", "records", "dumps", "diffs", "reports", "backfills", "repairs")
    return {stage: {entry.name for entry in (root / stage).glob("*")} for stage in stages if (root / stage).is_dir()}


def test_the_newest_are_kept_with_all_that_belongs_to_them(tmp_path: Path) -> None:
    migration = opened(tmp_path)
    nights(migration, 5)  # finished in the order n0, n2, n4, n1, n3
    before = left(migration)
    plan = plan_prune(migration)
    assert left(migration) == before
    assert {(one.run.stage, one.run.id) for one in plan.removals} == {
        *((stage, name) for stage in ("snapshots",) for name in ("n0", "n2", "n4")),
        *(("dumps", f"d-{name}") for name in ("n0", "n2", "n4")),
        *(("diffs", f"x-{name}") for name in ("n0", "n2")),
    }
    prune(migration)
    assert left(migration) == {
        "snapshots": {"n1", "n3"},
        "records": {"n1", "n3"},
        "dumps": {"d-n1", "d-n3"},
        "diffs": {"x-n4", "x-n1", "x-n3"},
        "reports": {"x-n4", "x-n1", "x-n3"},
    }
    assert plan_prune(migration).removals == ()


@pytest.mark.parametrize(
    ("stage", "plan", "kept"),
    [
        ("backfills", {"snapshot_id": "n0"}, ("snapshots", "n0")),
        ("diffs", {"snapshot_id": "n0", "dump_id": "d-n0"}, ("dumps", "d-n0")),
        ("repairs", {"run_id": "x-n0"}, ("diffs", "x-n0")),
        ("repairs", {"run_id": "x-n0"}, ("snapshots", "n0")),
    ],
)
def test_what_an_unfinished_run_goes_on_with_is_kept(
    tmp_path: Path, stage: str, plan: dict[str, str], kept: tuple[str, str]
) -> None:
    migration = opened(tmp_path)
    nights(migration, 5)
    written(migration, stage, "unfinished", None, **plan)
    pruned = prune(migration)
    assert kept in {(run.stage, run.id) for run in pruned.in_use}
    assert kept[1] in left(migration)[kept[0]]
    assert "unfinished" in left(migration)[stage]  # written after the newest finished one


def test_a_repair_that_is_being_taken_back_keeps_its_run(tmp_path: Path) -> None:
    migration = opened(tmp_path)
    nights(migration, 5)
    folder = written(migration, "repairs", "r1", 1, run_id="x-n0")
    assert "x-n0" not in {run.id for run in plan_prune(migration).in_use}
    (folder / "undo.json").write_text("{}")
    assert {run.id for run in plan_prune(migration).in_use} == {"x-n0", "n0", "d-n0"}


def test_killed_attempts_that_are_older_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migration = opened(tmp_path, "retention: {snapshots: 9}\n")
    written(migration, "dumps", "killed", None, snapshot_id="n0")
    written(migration, "dumps", "whole", 1_000_000, snapshot_id="n0")
    damaged = written(migration, "dumps", "damaged", None, snapshot_id="n0")
    (damaged / "manifest.json").write_text("{")
    plan = prune(migration)
    assert [(one.run.id, one.why) for one in plan.removals] == [("killed", "unfinished, and older than a finished one")]
    assert left(migration)["dumps"] == {"whole", "damaged"}


def test_nothing_is_removed_while_a_stage_is_at_work(tmp_path: Path) -> None:
    migration = opened(tmp_path)
    nights(migration, 5)
    before = left(migration)
    with stage_lock(migration.folder.root, "diff", "x-new"), pytest.raises(StageError, match="run x-new is under way"):
        prune(migration)
    assert left(migration) == before


def test_a_lock_that_another_run_has_taken_meanwhile_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a stop of some minutes: whatever is at work by now may need what was to go."""
    migration = opened(tmp_path)
    nights(migration, 5)
    before = left(migration)

    def planned(of: Migration) -> PrunePlan:
        plan = plan_prune(of)
        lock = on_disk(of.folder.root) / "locks" / "dump.lock"
        lock.write_text(json.dumps({**json.loads(lock.read_text()), "run_id": "other", "token": "another"}))
        return plan

    monkeypatch.setattr("pipelines.retention.prune.plan_prune", planned)
    with pytest.raises(LostLockError, match=r"^dump: run prune .* has lost its lock to run other"):
        prune(migration)
    assert left(migration) == before


def test_without_retention_everything_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no `retention`, so everything is kept"):
        plan_prune(opened(tmp_path, ""))


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    migration = opened(tmp_path)
    nights(migration, 4)
    written(migration, "backfills", "begun", None, snapshot_id="n0")
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    mapping = str(tmp_path / "migration.yaml")
    assert run(["runs", mapping]) == 0
    shown = capsys.readouterr().out
    assert "snapshots  n0                               finished 2026-11-01 00:00:00 UTC" in shown
    assert "backfills  begun                            unfinished, last written" in shown
    listed: dict[str, Any] = said(["runs", mapping, "--json"], capsys)
    assert [one["id"] for one in listed["runs"] if one["stage"] == "snapshots"] == ["n0", "n3", "n2", "n1"]
    assert run(["prune", mapping]) == 0
    shown = capsys.readouterr().out
    assert "would remove snapshots n3: beyond 2 snapshots" in shown
    assert "kept snapshots n0: in use" in shown
    assert "n3" in left(migration)["snapshots"]
    assert said(["prune", mapping, "--apply", "--json"], capsys)["applied"] is True
    assert left(migration)["snapshots"] == {"n0", "n2", "n1"}


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(arguments) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document
