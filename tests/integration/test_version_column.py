"""Item types whose rows count their own changes (`version: COLUMN`), alone and beside one that has a ledger: judging,
diff, backfill, repair and capture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.backfill import run_backfill
from pipelines.capture import install_capture
from pipelines.errors import StageError, UsageError
from pipelines.fanout import in_process
from pipelines.judging.opened import opened_judge
from pipelines.judging.suspect import Suspect
from pipelines.judging.verdict import Verdict
from pipelines.repair.apply import apply_repair
from pipelines.repair.plan import plan_repair
from pipelines.repair.undo import undo_repair
from pipelines.tables import create_tables
from pipelines.target.backfill_run import BackfillFolder
from pipelines.warehouse.manifest import BackfillManifest
from tests.captured_shop import Captured, captured, opened
from tests.delivered_shop import EPOCH, MAPPING, WRITTEN_SHOP, Delivering, source_key, stored, tables
from tests.integration.test_judging import (
    QUICKLY,
    before_target,
    change,
    judgements,
    of_order,
    order,
    put,
    remove,
    seat,
    whole_order,
)
from tests.kept_client import client
from tests.online_verification import compared, differences, prepared
from tests.repaired_shop import everything, quick_clients, run_of
from tests.versioned_shop import COUNTERS, expected_with_versions, with_versions

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("quick_clients")]
__all__ = ["quick_clients"]

MIXED = with_versions(MAPPING).replace(", version: rev, exclude: [rev]}", ", exclude: [rev]}") + QUICKLY
"""An order counts its changes; a seat has the ledger."""

USUAL: frozenset[Verdict] = frozenset()


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Captured:
    """Nine orders and two seats, the same on both sides."""
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    shop = Captured(database_url, opened(tmp_path, with_versions(MAPPING) + QUICKLY))
    shop.run(
        WRITTEN_SHOP,
        COUNTERS,
        "INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 9) n",
        "INSERT INTO seats VALUES (1, 'A', 'Ann'), (2, 'B', 'Ben')",
    )
    create_tables(shop.migration.mapping, client())
    fill(shop)
    return shop


def fill(shop: Captured) -> None:
    for table, items in expected_with_versions(shop.url).items():
        for item in items.values():
            owner = {"_s": {"S": source_key(int(item["id"]["N"]))}} if table == "seats" else {}
            put(table, {**item, **owner})


def mixed(url: str, folder: Path) -> Delivering:
    """The same, the seats captured."""
    shop = tables(captured(url, folder, WRITTEN_SHOP + COUNTERS, MIXED))
    shop.run(
        "INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 4) n",
        "INSERT INTO seats VALUES (1, 'A', 'Ann'), (2, 'B', 'Ben')",
    )
    for key, item in expected_with_versions(url)["orders"].items():
        assert key.startswith("C1/O")
        put("orders", item)
    shop.drain()
    return shop


def found(shop: Captured, run_id: str) -> dict[str, str]:
    keys = (row["key"].replace('"', "").replace("S:", "") for row in differences(shop, run_id))
    return dict(zip(keys, (row["verdict"] for row in differences(shop, run_id)), strict=True))


def test_every_verdict_by_a_version(shop: Captured) -> None:
    change("orders", of_order(2), note={"S": "bad"})
    remove("orders", of_order(3))
    change("orders", of_order(4), _v={"N": "2"})
    shop.run(
        "UPDATE orders SET note = 'new' WHERE id = 5",
        "DELETE FROM orders WHERE id = 6",
        "INSERT INTO lines VALUES (7, 1, NULL)",
        "UPDATE orders SET draft = true WHERE id = 8",
        "UPDATE orders SET customer = 2 WHERE id = 9",
        "INSERT INTO orders (id, customer, rev) VALUES (10, 1, -1)",
    )
    put("orders", {**whole_order(10), "_v": {"N": "9"}})
    put("orders", {**whole_order(11), "_v": {"N": "9"}})
    judged = judgements(shop, *map(order, range(1, 11)), order(9, customer=2), order(11, known=False))
    assert [f"{one.ruling.rule} {one.verdict}" for one in judged] == [
        "f match",
        "i mismatch",
        "l missing",
        "c ahead",
        "m stale",
        "k extra",
        "i mismatch",  # a line leaves its order's version alone
        "k extra",  # a row that `where` leaves out has no version
        "k extra",
        "d rejected",
        "l missing",
        "k extra",
    ]
    stale = judged[4]
    assert (stale.source.version, stale.source.later_version, stale.target and stale.target.version) == (2, 2, 1)


def test_a_key_that_another_row_has_by_now(shop: Captured) -> None:
    """The item says whose it is, and its own row's version is the one that is asked."""
    shop.run("DELETE FROM seats WHERE id = 1", "INSERT INTO seats VALUES (3, 'A', 'Cid', 7)")
    change("seats", {"pk": {"S": "A"}}, _v={"N": "9"})
    (gone,) = judgements(shop, seat("A", 3))
    assert f"{gone.ruling.rule} {gone.verdict}" == "owners mismatch"
    shop.run("INSERT INTO seats VALUES (1, 'Z', 'Ann')")
    (moved,) = judgements(shop, seat("A", 3))
    assert f"{moved.ruling.rule} {moved.verdict}" == "owners ahead"
    put("seats", {"pk": {"S": "X"}, "_v": {"N": "9"}})
    (nobodys,) = judgements(shop, seat("X"))
    assert f"{nobodys.ruling.rule} {nobodys.verdict}" == "k extra"


def test_a_version_that_moves_is_read_again(shop: Captured) -> None:
    change("orders", of_order(1), note={"S": "bad"})
    touch: Callable[[], None] = lambda: shop.run("UPDATE orders SET note = note WHERE id = 1")  # noqa: E731
    with opened_judge(shop.migration, shop.url) as judge:
        before_target(judge, touch, times=9)
        (moving,) = judge.judge("order", [order(1)])
        assert (moving.verdict, moving.source.version) == ("in_flight", 4)
    with opened_judge(shop.migration, shop.url) as judge:
        (first,) = judge.look("order", [order(1)])
        touch()  # equal in content, and yet the row was written: so the item may be on its way
        (second,) = judge.look("order", [seen(first)])
        (third,) = judge.look("order", [seen(second)])
    assert [one.ruling.again for one in (first, second, third)] == [True, True, False]
    assert third.verdict == "stale"


def seen(judgement: Any) -> Suspect:
    suspect = judgement.suspect
    return Suspect(suspect.item_type, suspect.table, suspect.key, suspect.source_key, judgement.seen)


def test_the_diff_says_by_what_it_went(shop: Captured) -> None:
    assert compared(shop, prepared(shop)).consistent
    change("orders", of_order(1), _v={"N": "9"})
    shop.run("UPDATE orders SET note = 'new' WHERE id = 2", "DELETE FROM orders WHERE id = 3")
    ids = prepared(shop)
    unjudged = compared(shop, ids, judged=False)
    expected = {"{pk:{C1},sk:{O1}}": "in_flight", "{pk:{C1},sk:{O2}}": "stale", "{pk:{C1},sk:{O3}}": "extra"}
    assert found(shop, unjudged.id) == expected
    judged = compared(shop, ids)
    assert found(shop, judged.id) == expected | {"{pk:{C1},sk:{O1}}": "ahead"}
    assert (judged.mode, judged.versioned, judged.consistent) == ("version", ("order", "seat"), False)
    assert [row["source_version"] for row in differences(shop, judged.id)] == [1, 2, None]


def test_beside_a_ledger_each_item_type_goes_by_its_own(
    database_url: str, tmp_path: Path, dynamodb_environment: str
) -> None:
    shop = mixed(database_url, tmp_path)
    status = shop.shop.status()
    assert {one.item_type: one.mode for one in status.modes} == {"order": "version", "seat": "ledger"}
    assert status.tables == ("public.seats",)
    assert compared(shop.shop, prepared(shop.shop)).consistent
    shop.run("UPDATE orders SET note = 'new' WHERE id = 1", "UPDATE seats SET guest = 'new' WHERE id = 1")
    change("orders", of_order(2), _v={"N": "2"})
    manifest = compared(shop.shop, prepared(shop.shop))
    assert found(shop.shop, manifest.id) == {
        "{pk:{C1},sk:{O1}}": "stale",
        "{pk:{C1},sk:{O2}}": "ahead",
        "{pk:{A}}": "pending",
    }
    assert (manifest.mode, manifest.versioned) == ("ledger", ("order",))


def backfill(shop: Captured, **options: Any) -> tuple[BackfillManifest, dict[str, str]]:
    """And its conflicts, by key."""
    manifest = run_backfill(shop.migration, in_process, **options)
    folder = BackfillFolder(shop.migration.folder.backfill(manifest.id))
    letters = [one for account in folder.accounts(range(4)) for one in folder.failed(account)]
    return manifest, {one.key.replace('"', "").replace("S:", ""): one.error for one in letters}


def test_a_live_backfill_overwrites_nothing_newer(shop: Captured) -> None:
    shop.run("UPDATE orders SET note = 'two'")
    prepared(shop)
    change("orders", of_order(1), _v={"N": "3"}, note={"S": "newer"})
    remove("orders", of_order(2))
    put("orders", {**whole_order(3), "note": {"S": "two"}, "_v": {"N": "2"}})  # by an application, just as the row is
    change("orders", of_order(4), _v={"N": "2"}, note={"S": "another"})
    change("orders", of_order(5), _v=None)
    put("orders", {**of_order(6), "_v": {"N": "2"}, "_deleted": {"BOOL": True}})
    put("orders", {**of_order(7), "_v": {"N": "1"}, "_deleted": {"BOOL": True}})
    change("seats", {"pk": {"S": "A"}}, _s={"S": source_key(2)}, _v={"N": "0"})
    before = everything()
    manifest, conflicts = backfill(shop)
    assert (manifest.mode, manifest.records, manifest.written, manifest.superseded) == ("live", 11, 6, 2)
    assert conflicts == {
        "{pk:{C1},sk:{O4}}": "Conflict: what is at its key has the row's version and another content",
        "{pk:{C1},sk:{O5}}": "Conflict: what is at its key was not written by Crossover",
        "{pk:{A}}": "Conflict: what is at its key is another row's item",
    }
    after, wanted = everything(), expected_with_versions(shop.url)
    kept = {"C1/O1", "C1/O4", "C1/O5", "C1/O6"}
    assert after["orders"] == {
        key: before["orders"][key] if key in kept else item for key, item in wanted["orders"].items()
    }
    assert after["seats"] == before["seats"]
    again, _ = backfill(shop)
    assert (again.written, again.superseded, again.conflicts) == (6, 2, 3)
    assert everything() == after


def test_beside_a_ledger_a_live_backfill_puts_both(
    database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    shop = mixed(database_url, tmp_path)
    shop.run("UPDATE orders SET note = 'two'")
    prepared(shop.shop)
    change("orders", of_order(1), _v={"N": "3"}, note={"S": "newer"})
    change("orders", of_order(2), _v={"N": "2"}, note={"S": "another"})
    remove("seats", {"pk": {"S": "A"}})
    manifest, conflicts = backfill(shop.shop)
    assert (manifest.mode, manifest.written, manifest.superseded) == ("live", 4, 1)
    assert list(conflicts) == ["{pk:{C1},sk:{O2}}"]
    assert stored("orders")["C1/O4"]["_v"] == {"N": "2"}
    assert {item["_v"]["N"] for item in stored("seats").values()} == {str(EPOCH + 1)}


def test_beside_what_has_no_versions_only_what_has_some_is_put(
    database_url: str, tmp_path: Path, dynamodb_environment: str
) -> None:
    shop = tables(Captured(database_url, opened(tmp_path, MIXED)))
    shop.run(
        WRITTEN_SHOP, COUNTERS, "INSERT INTO orders VALUES (1, 1, 'x')", "INSERT INTO seats VALUES (1, 'A', 'Ann')"
    )
    prepared(shop.shop)
    with pytest.raises(UsageError, match=r"has no versions of seat \(it was taken .*\); use cold"):
        backfill(shop.shop, mode="live")
    manifest, _ = backfill(shop.shop, item_types=("order",))
    assert (manifest.mode, manifest.written, stored("seats")) == ("live", 1, {})
    assert stored("orders") == expected_with_versions(database_url)["orders"]


def test_a_repair_puts_the_rows_version(shop: Captured) -> None:
    shop.run("UPDATE orders SET note = 'two' WHERE id IN (1, 2)")
    change("orders", of_order(2), _v={"N": "2"}, note={"S": "bad"})
    remove("orders", of_order(3))
    change("orders", of_order(4), _v={"N": "7"})
    put("orders", {**whole_order(99), "_v": {"N": "5"}})
    change("seats", {"pk": {"S": "A"}}, guest=None)
    run, before = run_of(shop, "version"), everything()
    plan = plan_repair(shop.migration, run, USUAL)
    assert plan.standings() == {"repairable": 5, "not_repairable": 1}
    assert [reason for reason in plan.reasons() if "above its row's version" in reason]
    done = apply_repair(shop.migration, run, USUAL)
    assert (done.repaired, done.not_repairable, done.failed) == (5, 1, 0)
    assert {key: item["_v"]["N"] for key, item in stored("orders").items()} == {
        **{f"C1/O{id}": "1" for id in range(1, 10)},
        "C1/O1": "2",
        "C1/O2": "2",
        "C1/O4": "7",
    }
    assert apply_repair(shop.migration, run, frozenset({Verdict.AHEAD})).repaired == 1
    assert compared(shop, prepared(shop)).consistent
    assert {table: without_owner(items) for table, items in everything().items()} == expected_with_versions(shop.url)
    assert [undo_repair(shop.migration, run).undone for _ in range(2)] == [1, 5]
    assert everything() == before


def without_owner(items: dict[str, Any]) -> dict[str, Any]:
    return {key: {name: value for name, value in item.items() if name != "_s"} for key, item in items.items()}


def test_what_counts_its_own_changes_is_not_captured(shop: Captured) -> None:
    status = shop.status()
    assert [(one.item_type, one.mode) for one in status.modes] == [("order", "version"), ("seat", "version")]
    assert (status.capture, status.gaps) == ("absent", ())
    with pytest.raises(StageError, match="nothing can be captured: order: the mapping names its column `rev`; seat"):
        install_capture(shop.migration, shop.url)
