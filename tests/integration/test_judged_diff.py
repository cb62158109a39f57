"""The diff with its differences judged again: accounts, resuming, bounds, and what live writes do to it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.diff import again, judged_bucket
from pipelines.errors import AccountsError, SourceError
from pipelines.judging.judge import Judge
from pipelines.judging.verdict import WRONG
from pipelines.tables import create_tables
from pipelines.warehouse.manifest import DiffManifest
from tests.captured_shop import Captured, captured, database, opened
from tests.delivered_shop import EPOCH, MAPPING, WRITTEN_SHOP, Delivering, source_key, stored, tables
from tests.integration.test_judging import change, emptied, of_order, put, remove, whole_order
from tests.kept_client import client
from tests.on_disk import on_disk
from tests.online_verification import compared, differences, prepared
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

RUNS = 20 if TORTURE else 3


@pytest.fixture(scope="module")
def captured_once(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "judged") as url:
        yield captured(url, tmp_path_factory.mktemp("judged"), WRITTEN_SHOP, MAPPING)


@pytest.fixture
def shop(captured_once: Captured, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    return emptied(captured_once, monkeypatch)


def verify(shop: Captured) -> DiffManifest:
    return compared(shop, prepared(shop))


def found(shop: Captured, manifest: DiffManifest) -> dict[str, str]:
    return {
        json.loads(row["key"])["pk"]["S"] + (json.loads(row["key"]).get("sk") or {"S": ""})["S"]: row["verdict"]
        for row in differences(shop, manifest.id)
    }


def test_what_was_written_since_the_snapshot_is_no_difference(shop: Delivering) -> None:
    shop.run("INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 6) n")
    shop.drain()
    change("orders", of_order(5), note={"S": "bad"})
    remove("orders", of_order(6))
    ids = prepared(shop.shop)
    change("orders", of_order(1), note={"S": "bad"})  # after the dump: not seen
    shop.run(
        "UPDATE orders SET note = 'new' WHERE id IN (2, 5)",
        "DELETE FROM orders WHERE id IN (3, 6)",
        "INSERT INTO orders VALUES (7, 1, 'x')",
    )
    shop.drain()
    manifest = compared(shop.shop, ids)
    assert (manifest.judged_again, manifest.not_judged_again) == (2, 0)
    assert manifest.consistent, manifest.reasons
    assert (manifest.verdicts.match, manifest.union, manifest.differences) == (6, 6, 0)
    assert differences(shop.shop, manifest.id) == []
    assert [folder.name for folder in shop.shop.migration.folder.diff(manifest.id).children()] == [
        "buckets",
        "differences",
        "manifest.json",
        "plan.json",
        "summary.json",
    ]


def test_a_difference_is_what_both_sides_are_by_now(shop: Delivering) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1, 'old'), (2, 1, 'x')")
    shop.drain()
    change("orders", of_order(1), note={"S": "bad"}, draft={"BOOL": True})
    ids = prepared(shop.shop)
    put("orders", {**whole_order(1), "note": {"S": "worse"}, "_v": {"N": str(EPOCH + 1)}})
    put("orders", {**whole_order(9), "_v": {"N": str(EPOCH)}})
    manifest = compared(shop.shop, ids)
    (row,) = differences(shop.shop, manifest.id)
    assert (row["verdict"], row["source_key"], row["source_version"]) == ("mismatch", source_key(1), EPOCH + 1)
    assert [(path["path"], path["source"], path["target"]) for path in row["paths"]] == [
        ("note", '{"S":"old"}', '{"S":"worse"}')
    ]
    summary = json.loads((shop.shop.migration.folder.diff(manifest.id) / "summary.json").read_text())
    assert summary["attributes"] == [
        {"item_type": "order", "path": "note", "kind": "value", "count": 1, "accepted": False}
    ]
    assert (summary["judged_again"], summary["not_judged_again"], summary["reasons"]) == (1, 0, ["1 mismatch"])


def test_what_the_snapshot_could_not_tell_is_told(shop: Delivering) -> None:
    shop.run("INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 4) n")
    shop.drain()
    change("orders", of_order(1), _v={"N": str(EPOCH + 9)})
    shop.run("UPDATE orders SET note = 'new' WHERE id = 2", "DELETE FROM orders WHERE id = 3")
    put("orders", {**whole_order(8), "_v": {"N": str(EPOCH)}})
    ids = prepared(shop.shop)
    unjudged = compared(shop.shop, ids, judged=False)
    assert found(shop.shop, unjudged) == {"C1O1": "in_flight", "C1O2": "pending", "C1O3": "pending", "C1O8": "extra"}
    judged = compared(shop.shop, ids)
    assert found(shop.shop, judged) == {"C1O1": "ahead", "C1O2": "pending", "C1O3": "pending", "C1O8": "extra"}
    shop.drain()
    assert found(shop.shop, verify(shop.shop)) == {"C1O1": "ahead", "C1O8": "extra"}


def test_a_run_that_died_goes_on_with_the_buckets_that_are_left(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 40) n")
    ids = prepared(shop.shop)
    monkeypatch.setattr(again, "JUDGES", 1)
    real, calls = Judge.judge, [0]

    def dies(self: Judge, *arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 3:
            raise SourceError("the source is gone")
        return real(self, *arguments)

    monkeypatch.setattr(Judge, "judge", dies)
    with pytest.raises(SourceError, match="the source is gone"):
        compared(shop.shop, ids)
    folder = max(on_disk(shop.shop.migration.folder.root / "diffs").iterdir())
    assert len(list((folder / "buckets").iterdir())) in (2, 3)  # the last one may have been under way
    manifest = compared(shop.shop, ids)
    assert manifest.id == folder.name
    assert calls[0] == 1 + 4  # one in vain, and one for each bucket
    assert (manifest.verdicts.pending, manifest.union, manifest.judged_again) == (40, 40, 40)
    assert len(differences(shop.shop, manifest.id)) == 40


def test_what_is_beyond_the_limit_keeps_the_snapshots_verdict(shop: Delivering) -> None:
    shop.run("INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 20) n")
    shop.drain()
    for id in range(1, 21):
        change("orders", of_order(id), note={"S": "bad"})
    ids = prepared(shop.shop)
    for id in range(1, 21):
        change("orders", of_order(id), note={"S": "x"})
    manifest = compared(shop.shop, ids, at_most=12)
    assert (manifest.judged_again, manifest.not_judged_again) == (12, 8)
    assert (manifest.verdicts.match, manifest.verdicts.mismatch) == (12, 8)
    assert manifest.reasons == (
        "8 mismatch",
        "8 of these verdicts are the snapshot's, not judged again: 12 at most are",
    )
    rows = differences(shop.shop, manifest.id)
    assert [row["paths"][0]["target"] for row in rows] == ['{"S":"bad"}'] * 8
    attributes = json.loads((shop.shop.migration.folder.diff(manifest.id) / "summary.json").read_text())["attributes"]
    assert [(one["path"], one["count"]) for one in attributes] == [("note", 8)]


def test_another_ledger_than_the_snapshots_judges_nothing(
    database_url: str, tmp_path: Path, dynamodb_environment: str
) -> None:
    shop = tables(captured(database_url, tmp_path, WRITTEN_SHOP, MAPPING))
    shop.run("INSERT INTO orders VALUES (1, 1, 'x')")
    ids = prepared(shop.shop)
    for changed in ("UPDATE crossover.control SET epoch = 2", "DROP SCHEMA crossover CASCADE"):
        shop.run(changed)
        manifest = compared(shop.shop, ids)
        assert (manifest.judged_again, manifest.not_judged_again, manifest.verdicts.pending) == (0, 1, 1)
        assert "capture cannot be relied on any more" in manifest.not_judged_because
        assert manifest.not_judged_because in manifest.reasons[-1]


def test_without_a_ledger_a_difference_counts_that_was_seen_before(
    database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(again, "sleep", waits.append)
    migration = opened(tmp_path, MAPPING + "checks: {settle_seconds: 9000}\n")
    shop = Captured(database_url, migration)
    shop.run(WRITTEN_SHOP, "INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 4) n")
    create_tables(migration.mapping, client())
    for id in (1, 2, 9):
        put("orders", {**whole_order(id), "note": {"S": "bad"}, "_v": {"N": "0"}})
    ids = prepared(shop)
    put("orders", {**whole_order(2), "_v": {"N": "0"}})
    shop.run("DELETE FROM orders WHERE id = 3")
    manifest = compared(shop, ids)
    assert found(shop, manifest) == {"C1O1": "mismatch", "C1O4": "missing", "C1O9": "extra"}
    assert (manifest.mode, manifest.judged_again, manifest.verdicts.match) == ("no_ledger", 5, 2)
    assert [0 < seconds <= 9000 for seconds in waits] == [True]  # from the dump's end on, once for all


def test_without_a_ledger_one_wait_serves_all_that_moved(
    database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration = opened(tmp_path, MAPPING + "checks: {settle_seconds: 9000, rereads: 2}\n")
    shop = Captured(database_url, migration)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        shop.run("UPDATE orders SET note = note || '.' WHERE id = 1")

    monkeypatch.setattr(again, "sleep", wait)
    shop.run(WRITTEN_SHOP, "INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 12) n")
    create_tables(migration.mapping, client())
    for id in range(1, 13):
        put("orders", {**whole_order(id), "note": {"S": "bad"}, "_v": {"N": "0"}})
    ids = prepared(shop)
    shop.run("UPDATE orders SET note = 'y'")
    manifest = compared(shop, ids)
    assert found(shop, manifest) == {f"C1O{id}": "in_flight" if id == 1 else "mismatch" for id in range(1, 13)}
    assert (manifest.judged_again, manifest.not_judged_again) == (12, 0)
    assert waits[1:] == [9000, 9000]  # the first is from the dump's end on


def test_another_database_judges_nothing(shop: Delivering, postgres_server: str) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1, 'x')")
    ids = prepared(shop.shop)
    manifest = compared(Captured(postgres_server, shop.shop.migration), ids)
    assert "is of another source" in manifest.not_judged_because


def test_a_count_that_does_not_add_up_is_an_error(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1, 'x')")
    ids = prepared(shop.shop)
    monkeypatch.setattr(judged_bucket, "suspect_batches", lambda *_: iter(()))
    with pytest.raises(AccountsError, match="1 differences, 0 judged again and 0 kept"):
        compared(shop.shop, ids)


def test_under_live_writes_nothing_false_and_once_quiet_everything_planted(shop: Delivering) -> None:
    judged = 0
    with written_and_drained(shop):
        for _ in range(RUNS):
            manifest = verify(shop.shop)
            false = {kind.value: getattr(manifest.verdicts, kind) for kind in WRONG if getattr(manifest.verdicts, kind)}
            assert not false, (false, [row for row in differences(shop.shop, manifest.id) if row["verdict"] in false])
            assert manifest.not_judged_again == 0
            judged += manifest.judged_again
    assert judged, "nothing was written while it was verified"
    shop.drain()
    quiet = verify(shop.shop)
    assert quiet.consistent, (quiet.reasons, differences(shop.shop, quiet.id))
    planted = plant(random.Random(1))
    assert found(shop.shop, verify(shop.shop)) == planted


@contextmanager
def written_and_drained(shop: Delivering) -> Iterator[None]:
    """Two applications write 200 rows a second between them, and a relay drains meanwhile."""
    writers = [
        subprocess.Popen([sys.executable, "-m", "tests.shop_writer", shop.shop.url, seed, "100000", "100"])
        for seed in ("one", "two")
    ]
    stopped = threading.Event()
    failed: list[BaseException] = []

    def relay() -> None:
        try:
            while not stopped.is_set():
                shop.drain()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=relay)
    thread.start()
    try:
        yield
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
        stopped.set()
        thread.join()
    assert not failed, failed


def plant(dice: random.Random) -> dict[str, str]:
    """One corruption of each kind; the verdict of each by its key."""
    live = {name: item for name, item in stored("orders").items() if "_deleted" not in item}
    names = dice.sample(sorted(live), 5)
    keys = [{name: live[one][name] for name in ("pk", "sk")} for one in names]
    change("orders", keys[0], customer={"N": "999"})
    remove("orders", keys[1])
    change("orders", keys[2], _v=None)
    change("orders", keys[3], _v={"N": str(EPOCH + 10**6)})
    change("orders", keys[4], customer={"N": "999"}, _v={"N": str(EPOCH)})
    put("orders", {**of_order(777), "_v": {"N": str(EPOCH)}})
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "unknown"}, "_v": {"N": str(EPOCH)}})
    kinds = ("mismatch", "missing", "foreign", "ahead", "stale")
    planted = {name.replace("/", ""): kind for name, kind in zip(names, kinds, strict=True)}
    return planted | {"C1O777": "extra", "C1unknown": "unmapped"}
