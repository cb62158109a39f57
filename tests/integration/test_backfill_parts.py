"""Parts of one backfill, written by calls of their own, in any order, killed and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipelines import cli
from pipelines.backfill import run_backfill
from pipelines.backfill.part import Part, all_parts
from pipelines.errors import StageError, TargetError, UsageError
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.lock import stage_lock
from tests.fault_proxy import FaultProxy
from tests.integration.test_backfill import BUCKETS, MAPPING, expected, keep, opened, records, stored

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD, FOURTH = all_parts(4)

CHILD = """
import sys
from pathlib import Path
from pipelines.backfill import run_backfill
from pipelines.backfill.part import Part
from pipelines.fanout import in_process
from tests.integration.test_backfill import opened
run_backfill(opened(Path(sys.argv[1])), in_process, parts=[Part.parse(sys.argv[2])])
"""


@pytest.fixture
def migration(dynamodb_environment: str, warehouse: Path) -> Migration:
    """With both tables, empty, and the records of snapshot `s1`."""
    migration = opened(warehouse)
    create_tables(migration.mapping, dynamodb_client())
    keep(migration, "s1", records(300, 100))
    return migration


def runs(migration: Migration) -> list[str]:
    return [entry.name for entry in (migration.folder.root / "backfills").children()]


def noting(written: list[int], stop_after: int | None = None) -> Callable[..., list[Any]]:
    """A fan-out that notes which buckets it hands out, and is interrupted after so many."""

    def fan_out(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        tasks = tasks[:stop_after]
        written.extend(task.bucket for task in tasks)
        results = in_process(tasks, work, **options)
        if stop_after is not None:
            raise KeyboardInterrupt
        return results

    return fan_out


def of(rows: Sequence[dict[str, Any]], *parts: Part) -> list[dict[str, Any]]:
    return [row for row in rows if any(row["bucket"] in part.buckets(BUCKETS) for part in parts)]


def test_the_command_takes_parts(
    migration: Migration, warehouse: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(warehouse))
    monkeypatch.setattr("pipelines.fanout.spark_fan_out", lambda: nullcontext(in_process))
    file = warehouse.parent / "shop.yaml"
    file.write_text(MAPPING)
    rows, command = records(300, 100), ["backfill", str(file), "--json"]
    assert cli.run([*command, "--part", "1-of-4", "--part", "3-of-4"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == len(of(rows, FIRST, THIRD))
    assert cli.run(command) == 0
    assert json.loads(capsys.readouterr().out)["written"] == len(rows)
    assert cli.run([*command, "--part", "5-of-4"]) == 2
    assert "part 5-of-4: no such part" in capsys.readouterr().err


def test_parts_in_any_order_are_one_run_and_the_last_finishes_it(migration: Migration) -> None:
    rows = records(300, 100)
    for before, part in enumerate([THIRD, FIRST, FOURTH]):
        manifest = run_backfill(migration, in_process, parts=[part], run_id=f"asked-{before}")
        assert (manifest.id, manifest.records, manifest.written) == ("asked-0", *[len(of(rows, part))] * 2)
        assert not (migration.folder.backfill("asked-0") / "manifest.json").is_file()
    assert stored() == expected(of(rows, THIRD, FIRST, FOURTH))
    assert run_backfill(migration, in_process, parts=[SECOND]).written == len(of(rows, SECOND))
    assert stored() == expected(rows)
    assert migration.folder.finished("backfills") == ["asked-0"] == runs(migration)


def test_what_parts_have_left_the_whole_finishes(migration: Migration) -> None:
    written: list[int] = []
    run_backfill(migration, in_process, parts=[SECOND])
    manifest = run_backfill(migration, noting(written))
    assert (manifest.written, written) == (400, [0, 1, 4, 5, 6, 7])
    assert stored() == expected(records(300, 100))


def test_a_part_of_what_the_whole_has_left(migration: Migration) -> None:
    written: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run_backfill(migration, noting([], 3))
    run_backfill(migration, noting(written), parts=[SECOND, FOURTH])
    assert written == [3, 6, 7]
    assert len(runs(migration)) == 1


def test_a_part_that_is_done_is_not_written_again(migration: Migration, capsys: pytest.CaptureFixture[str]) -> None:
    written: list[int] = []
    first = run_backfill(migration, in_process, parts=[FIRST])
    again = run_backfill(migration, noting(written), parts=[FIRST])
    assert (again.id, again.written, written) == (first.id, first.written, [])
    whole = run_backfill(migration, in_process)
    capsys.readouterr()
    again = run_backfill(migration, noting(written), parts=[FIRST])
    assert (again.id, again.written, written) == (whole.id, first.written, [])
    assert f"backfill {whole.id} of snapshot s1 is finished; nothing is left to do" in capsys.readouterr().err


def test_parts_that_are_stopped_out_of_order_each_go_on(migration: Migration) -> None:
    for part in (SECOND, FOURTH, FIRST):
        with pytest.raises(KeyboardInterrupt):
            run_backfill(migration, noting([], 1), parts=[part])
    written: list[int] = []
    for part in (FOURTH, SECOND, THIRD, FIRST):
        run_backfill(migration, noting(written), parts=[part])
    assert written == [7, 3, 4, 5, 1]
    assert stored() == expected(records(300, 100))
    assert len(migration.folder.finished("backfills")) == 1


def test_a_part_that_is_killed_goes_on_after_others(migration: Migration, warehouse: Path) -> None:
    rows = records(1500, 500)
    keep(migration, "s2", rows)
    accounts = warehouse / "shop" / "backfills"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", CHILD, str(warehouse), "1-of-2"], env=environment) as child:
        while child.poll() is None and not list(accounts.glob("*/buckets/*.json")):
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
    assert 0 < len(list(accounts.glob("*/buckets/*.json"))) < 4
    halves = [run_backfill(migration, in_process, parts=[Part(number, 2)]) for number in (2, 1)]
    assert [half.written for half in halves] == [len(of(rows, Part(number, 2))) for number in (2, 1)]
    assert stored() == expected(rows)
    assert migration.folder.finished("backfills") == runs(migration)


def test_parts_begin_a_cold_run_in_empty_tables_only(migration: Migration) -> None:
    boto3.client("dynamodb").put_item(TableName="prices", Item={"id": {"N": "-1"}})
    with pytest.raises(TargetError, match=r"^table prices: not empty"):
        run_backfill(migration, in_process, parts=[FIRST])
    for part in (FIRST, SECOND):
        run_backfill(migration, in_process, parts=[part], force=True)
    assert len(runs(migration)) == 1  # forced parts are parts of one run, too
    for part in (THIRD, FOURTH):
        run_backfill(migration, in_process, parts=[part])
    assert len(stored()["prices"]) == 101
    assert migration.folder.finished("backfills") == runs(migration)


def test_a_part_of_another_snapshot_or_of_other_items_is_another_run(migration: Migration) -> None:
    begun = run_backfill(migration, in_process, parts=[FIRST])
    with pytest.raises(TargetError, match=f"not empty; go on with the unfinished run {begun.id} by --resume"):
        run_backfill(migration, in_process, parts=[SECOND], item_types=("price",))
    keep(migration, "s2", records(10, 10))
    with pytest.raises(TargetError, match=f"not empty; go on with the unfinished run {begun.id} by --resume"):
        run_backfill(migration, in_process, parts=[SECOND])
    assert run_backfill(migration, in_process, parts=[SECOND], resume=True).snapshot_id == "s1"
    assert run_backfill(migration, in_process, parts=[THIRD], snapshot_id="s1").id == begun.id


def test_more_parts_than_buckets(migration: Migration) -> None:
    counts = [run_backfill(migration, in_process, parts=[part]).written for part in all_parts(12)]
    assert (sum(counts), counts.count(0)) == (400, 4)
    assert migration.folder.finished("backfills") == runs(migration)


def test_parts_of_chosen_buckets_and_item_types(migration: Migration) -> None:
    for part in (FIRST, FOURTH):
        run_backfill(migration, in_process, parts=[part], buckets=[0, 7], item_types=("price",))
    assert migration.folder.finished("backfills") == runs(migration)
    assert stored() == expected(
        [row for row in records(300, 100) if row["bucket"] in (0, 7) and row["item_type"] == "price"]
    )


def test_a_failed_item_fails_its_part_alone(
    migration: Migration, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = records(300, 100)
    bad = json.loads(next(row["key"] for row in of(rows, SECOND) if row["item_type"] == "price"))["id"]

    def refuse(_: int, body: dict[str, Any]) -> str | None:
        ids = [put["PutRequest"]["Item"]["id"] for put in body["RequestItems"].get("prices", [])]
        return "ValidationException" if bad in ids else None

    proxy = FaultProxy(dynamodb_environment, refuse)
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        with pytest.raises(TargetError, match=r"1 of \d+ items were not written \(1 ValidationException\)"):
            run_backfill(migration, in_process, parts=[SECOND])
        run_backfill(migration, in_process, parts=[FIRST, THIRD, FOURTH])
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_environment)
    assert migration.folder.finished("backfills") == []
    assert run_backfill(migration, in_process, parts=[SECOND]).failed == 0
    assert stored() == expected(rows)
    assert migration.folder.finished("backfills") == runs(migration)


def test_an_import_has_no_parts(migration: Migration) -> None:
    with pytest.raises(UsageError, match=r"--mode import: .* leave item types, buckets, parts"):
        run_backfill(migration, in_process, mode="import", parts=[FIRST])


@pytest.mark.parametrize("second", ["cold", "live", "import", "part", "resume"])
def test_a_second_run_is_refused_by_the_id_of_the_first(migration: Migration, second: str) -> None:
    """Which is the run that goes on, not one that the call might have begun."""
    with pytest.raises(KeyboardInterrupt):
        run_backfill(migration, noting([], 1), run_id="first")
    refused: list[str] = []

    def second_run(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        asked: dict[str, Any] = {"parts": [FIRST]} if second == "part" else {"mode": second}
        with pytest.raises(StageError, match="backfill: run first is under way") as caught:
            run_backfill(migration, in_process, **({"resume": True} if second == "resume" else asked))
        refused.append(str(caught.value))
        return in_process(tasks, work, **options)

    assert run_backfill(migration, second_run, run_id="asked-for").id == "first"
    assert len(refused) == 1


def test_whoever_is_refused_changes_nothing(migration: Migration) -> None:
    with (
        stage_lock(migration.folder.root, "backfill", "first"),
        pytest.raises(StageError, match="run first is under way"),
    ):
        run_backfill(migration, in_process, parts=[FIRST])
    assert not (migration.folder.root / "backfills").exists()
