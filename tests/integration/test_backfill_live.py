"""A backfill beside relays: nothing newer is overwritten, nothing is resurrected, whatever happened since the snapshot;
in the end both stores hold the same, by an oracle that shares nothing with the engine."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pipelines.backfill import run_backfill
from pipelines.capture import install_capture, uninstall_capture, upgrade_capture
from pipelines.denormalise import make_records
from pipelines.errors import CrossoverError, StageError, UsageError
from pipelines.fanout import in_process
from pipelines.snapshot import take_snapshot
from pipelines.source.ledger.backfills import begin_backfill, begin_sweep, finish_backfill
from pipelines.target.backfill_run import BackfillFolder
from pipelines.warehouse.manifest import BackfillManifest
from tests.captured_shop import captured
from tests.delivered_shop import (
    EPOCH,
    MAPPING,
    SCHEMA,
    Delivering,
    assert_equal_stores,
    live,
    put,
    source_key,
    stored,
    tables,
    versions,
)
from tests.fault_proxy import FaultProxy
from tests.faults import PUT_FAULTS, seeded

pytestmark = [pytest.mark.integration, pytest.mark.endpoints("moto", "ministack")]

BUCKETS = 4
BEFORE = (
    "INSERT INTO products VALUES (7, 'pen')",
    "INSERT INTO orders SELECT n, n % 3, 'old' FROM generate_series(1, 20) n",
    "INSERT INTO lines SELECT n, 1, 7 FROM generate_series(1, 5) n",
    "INSERT INTO seats SELECT n, 'S' || n, 'g' || n FROM generate_series(1, 8) n",
)
DELIVERED_SINCE = (
    "UPDATE orders SET note = 'new' WHERE id IN (1, 6)",
    "DELETE FROM lines WHERE order_id = 2",
    "DELETE FROM orders WHERE id IN (2, 7)",
    "UPDATE orders SET customer = 9 WHERE id IN (3, 8)",
    "UPDATE products SET name = 'ink'",
    "INSERT INTO orders VALUES (30, 1)",
    "DELETE FROM seats WHERE id = 1",
    "UPDATE seats SET place = 'S1' WHERE id = 2",
    "UPDATE seats SET place = 'S9' WHERE id = 3",
)
UNDELIVERED_SINCE = (
    "UPDATE orders SET note = 'newest' WHERE id IN (1, 9)",
    "DELETE FROM orders WHERE id IN (6, 10)",
    "UPDATE orders SET customer = 8 WHERE id = 11",
    "DELETE FROM seats WHERE id IN (2, 4)",
    "UPDATE seats SET place = CASE id WHEN 5 THEN 'S6' ELSE 'S5' END WHERE id IN (5, 6)",
)
KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.backfill import run_backfill
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.target.wire import Wire
real, left = Wire.conclude, [int(sys.argv[2])]
def conclude(self, *arguments):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *arguments)
Wire.conclude = conclude
run_backfill(Migration.open(Path(sys.argv[1])), in_process)
"""


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    """Rows from before the capture: the ledger has heard of none."""
    shop = tables(captured(database_url, tmp_path, SCHEMA, MAPPING))
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    shop.run(*BEFORE)
    shop.shop.forget()
    return shop


@pytest.fixture
def records(shop: Delivering, spark: SparkSession) -> str:
    return records_of(shop, spark)


def records_of(shop: Delivering, spark: SparkSession) -> str:
    """A snapshot's, as of now."""
    snapshot = take_snapshot(shop.shop.migration, shop.shop.url)
    make_records(shop.shop.migration, spark, snapshot.id, BUCKETS)
    return snapshot.id


def backfill(shop: Delivering, **options: Any) -> BackfillManifest:
    manifest = run_backfill(shop.shop.migration, in_process, **options)
    parts = manifest.written + manifest.superseded + manifest.conflicts + manifest.failed
    assert manifest.records == parts
    return manifest


def all_versions() -> dict[str, int]:
    return versions("orders") | versions("seats")


def assert_no_step_back(before: dict[str, int]) -> None:
    after = all_versions()
    for key, version in before.items():
        assert abs(after[key]) >= abs(version), key
        assert after[key] == version or abs(after[key]) > abs(version), key


def open_runs(shop: Delivering) -> list[str]:
    return [run for (run,) in shop.shop.ask("SELECT run FROM crossover.backfill WHERE finished_at IS NULL")]


def test_whatever_was_written_since_the_snapshot_stays(shop: Delivering, records: str) -> None:
    shop.run(*DELIVERED_SINCE)
    shop.drain()
    shop.run(*UNDELIVERED_SINCE)
    before, contents = all_versions(), live("orders")
    manifest = backfill(shop)
    assert (manifest.mode, manifest.records, manifest.conflicts) == ("live", 28, 0)
    assert manifest.superseded >= 10
    assert manifest.written >= 12
    assert_no_step_back(before)
    assert {key: live("orders")[key] for key in contents} == contents
    assert versions("orders")["C0/O12"] == EPOCH
    assert stored("seats")["S8"] == {
        "pk": {"S": "S8"}, "id": {"N": "8"}, "place": {"S": "S8"}, "guest": {"S": "g8"},
        "_v": {"N": str(EPOCH)}, "_s": {"S": source_key(8)},
    }  # fmt: skip
    assert "_s" not in stored("orders")["C0/O12"]
    assert open_runs(shop) == []
    assert shop.drain(lease_seconds=0.5).set_apart == ()
    assert_equal_stores(shop)


def test_a_change_from_before_the_snapshot_is_written_with_its_version(shop: Delivering, spark: SparkSession) -> None:
    shop.run("UPDATE orders SET note = 'x' WHERE id = 12", "UPDATE orders SET note = 'y' WHERE id = 12")
    records_of(shop, spark)
    assert backfill(shop).written == 28
    assert versions("orders")["C0/O12"] == EPOCH + 2
    assert shop.drain().counts["done"] == 1
    assert_equal_stores(shop)


def test_a_run_that_is_killed_goes_on_and_no_sweep_comes_between(shop: Delivering, records: str) -> None:
    folder = Path(str(shop.shop.migration.folder.root)).parent.parent
    for writes in (3, 4):
        child = subprocess.run([sys.executable, "-c", KILLED, str(folder / "mapping.yaml"), str(writes)], check=False)
        assert child.returncode == -signal.SIGKILL
        shop.run(*(DELIVERED_SINCE if writes == 3 else UNDELIVERED_SINCE))
        shop.drain(lease_seconds=0.5)
    (open_run,) = open_runs(shop)
    with shop.session() as session, pytest.raises(StageError, match=f"backfill {open_run} is not finished"):
        begin_sweep(session, 0)
    before = all_versions()
    manifest = backfill(shop, resume=True)
    assert (manifest.id, manifest.records) == (open_run, 28)
    assert_no_step_back(before)
    assert open_runs(shop) == []
    assert shop.drain(lease_seconds=0.5).set_apart == ()
    assert_equal_stores(shop)
    assert backfill(shop, resume=True) == manifest
    again = backfill(shop)
    assert (again.id != manifest.id, again.conflicts) == (True, 0)


def test_another_rows_item_or_tombstone_at_the_key_is_left_to_the_relay(shop: Delivering, spark: SparkSession) -> None:
    """[before capture B took A's key: A is delivered elsewhere and never leaves; backfill has dropped B]"""
    shop.run("INSERT INTO seats VALUES (90, 'T'), (91, 'U')")
    shop.drain()
    shop.run("DELETE FROM seats WHERE id > 80")
    shop.drain()
    shop.run("INSERT INTO seats VALUES (20, 'T', 'over a tombstone')")
    shop.run("DELETE FROM crossover.log")  # as if it were older than the capture
    records_of(shop, spark)
    shop.run("UPDATE seats SET place = 'V' WHERE id = 7", "UPDATE seats SET place = 'S7' WHERE id = 8")
    shop.drain()
    before = all_versions()
    assert backfill(shop).conflicts == 0
    assert_no_step_back(before)
    assert shop.drain(lease_seconds=0.5).set_apart == ()
    assert_equal_stores(shop)


def test_conflicts_are_counted_listed_and_left_alone(shop: Delivering, records: str) -> None:
    foreign = {"pk": {"S": "C1"}, "sk": {"S": "O1"}, "theirs": {"S": "x"}}
    ahead = {"pk": {"S": "C2"}, "sk": {"S": "O2"}, "_v": {"N": str(5 * EPOCH)}}
    changed = {"pk": {"S": "C0"}, "sk": {"S": "O3"}, "_v": {"N": str(EPOCH)}}
    nobodys = {"pk": {"S": "S1"}, "_v": {"N": str(EPOCH)}}
    for item in (foreign, ahead, changed):
        put("orders", item)
    put("seats", nobodys)
    manifest = backfill(shop)
    assert (manifest.written, manifest.conflicts, manifest.superseded, manifest.failed) == (24, 4, 0, 0)
    there = stored("orders") | stored("seats")
    assert [there[key] for key in ("C1/O1", "C2/O2", "C0/O3", "S1")] == [foreign, ahead, changed, nobodys]
    folder = shop.shop.migration.folder.backfill(manifest.id)
    accounts = BackfillFolder(folder).accounts(range(BUCKETS))
    listed = {one.key: one for account in accounts for one in BackfillFolder(folder).failed(account)}
    assert len(listed) == 4
    assert {one.code for one in listed.values()} == {"Conflict"}
    first = listed['{"pk":{"S":"C1"},"sk":{"S":"O1"}}']
    assert (first.item_type, first.table, first.source_key) == ("order", "orders", source_key(1))


def test_an_equal_version_with_other_content_is_no_conflict_where_a_mark_reaches_it(
    shop: Delivering, records: str
) -> None:
    """[a snapshot is read while a mark is open: equal version, other content]"""
    shop.run("UPDATE products SET name = 'ink'")
    with shop.deliverer() as deliverer:
        deliverer.deliver("order", [source_key(n) for n in (1, 2)])
    manifest = backfill(shop)
    assert (manifest.superseded, manifest.conflicts) == (2, 0)
    shop.drain()
    assert_equal_stores(shop)


def test_faults_between_us_and_dynamodb_change_nothing(
    shop: Delivering, records: str, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run(*DELIVERED_SINCE)
    shop.drain()
    before = all_versions()
    proxy = FaultProxy(dynamodb_environment, seeded(3, 0.5, PUT_FAULTS), slow_seconds=0.1)
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        manifest = backfill(shop)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_environment)
    assert len(proxy.met) >= 5
    assert (manifest.conflicts, manifest.failed) == (0, 0)
    assert_no_step_back(before)
    shop.drain(lease_seconds=0.5)
    assert_equal_stores(shop)


def assert_refused(shop: Delivering, error: type[CrossoverError], problem: str, **options: Any) -> None:
    before = stored("orders")
    with pytest.raises(error, match=problem):
        backfill(shop, **options)
    assert stored("orders") == before
    assert not (shop.shop.migration.folder.root / "backfills").children()


def test_a_snapshot_from_before_a_sweep_or_of_another_epoch_is_not_written(shop: Delivering, records: str) -> None:
    """[late put after sweep; reinstall]"""
    shop.run("UPDATE crossover.control SET sweeps = 1")
    assert_refused(shop, StageError, "tombstones were swept since the snapshot; take a new snapshot")
    shop.run("UPDATE crossover.control SET sweeps = 0")
    shop.run("ALTER TABLE lines DISABLE TRIGGER ALL")
    assert_refused(shop, StageError, "nothing can be written beside others: table public.lines")
    upgrade_capture(shop.shop.migration, shop.shop.url)
    assert_refused(shop, StageError, "is of epoch 1, and 2 has begun; take a new snapshot")
    assert_refused(shop, UsageError, "--mode cold: capture is on", mode="cold")
    uninstall_capture(shop.shop.migration, shop.shop.url)
    assert_refused(shop, StageError, "capture: not installed")
    assert backfill(shop, mode="cold", force=True).written == 28
    assert set(versions("orders").values()) == {EPOCH}
    assert stored("seats")["S8"]["_s"] == {"S": source_key(8)}


def test_half_installed_capture_is_not_for_backfill(shop: Delivering, spark: SparkSession) -> None:
    """[half-installed capture]"""
    shop.run("UPDATE crossover.control SET capture = 'off'")
    records_of(shop, spark)
    for mode in (None, "live", "cold"):
        assert_refused(shop, StageError, "must not be written .capture: off", mode=mode)


def test_a_snapshot_that_is_older_than_the_capture_is_not_written(shop: Delivering, spark: SparkSession) -> None:
    """[a snapshot taken before the last table was captured]"""
    uninstall_capture(shop.shop.migration, shop.shop.url)
    records_of(shop, spark)
    install_capture(shop.shop.migration, shop.shop.url)
    assert_refused(shop, StageError, "it is older than the capture; take a new snapshot")
    assert_refused(shop, UsageError, "has no versions .capture is not installed.", mode="live")


def test_a_new_run_gives_up_those_before_it(shop: Delivering) -> None:
    """Or no tombstone could ever be swept again after a run that nobody goes on with."""
    with shop.session() as session:
        for name in ("a", "b", "b"):
            begin_backfill(session, name, 0)
        assert open_runs(shop) == ["b"]
        finish_backfill(session, "b")
        begin_backfill(session, "a", 0)
    assert open_runs(shop) == ["a"]
