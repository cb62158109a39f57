"""Repair and undo on PostgreSQL and DynamoDB: each kind of corruption, with a ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipelines import cli
from pipelines.capture import install_capture
from pipelines.errors import StageError
from pipelines.judging.verdict import Verdict
from pipelines.migration import Migration
from pipelines.repair.apply import apply_repair
from pipelines.repair.folder import RepairManifest
from pipelines.repair.plan import plan_repair
from pipelines.repair.undo import undo_repair
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.touch_unmoved import Raise, Touched, touch_unmoved
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.place import Place
from tests.captured_shop import Captured, captured, opened
from tests.delivered_shop import (
    EPOCH,
    MAPPING,
    SCHEMA,
    Delivering,
    assert_equal_stores,
    between,
    put,
    source_key,
    stored,
    tables,
)
from tests.online_verification import compared, prepared
from tests.repaired_shop import changed, everything, filled, of_order, of_seat, plant, quick_clients, removed, run_of

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("quick_clients")]
__all__ = ["quick_clients"]

USUAL: frozenset[Verdict] = frozenset()
QUICKLY = "checks: {settle_seconds: 0}\n"


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    return tables(captured(database_url, tmp_path, SCHEMA, MAPPING + QUICKLY))


def is_consistent(shop: Delivering) -> bool:
    """The snapshot is made by hand, and would not stand a comparison with the source's schema."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("CROSSOVER_SOURCE_URL")
        return compared(shop.shop, prepared(shop.shop)).consistent


PLANTED = {
    "order": {
        "ahead": {"repairable": 1},
        "extra": {"repairable": 2},
        "mismatch": {"repairable": 1},
        "missing": {"repairable": 1},
        "stale": {"repairable": 1},
    },
    "seat": {"extra": {"repairable": 2}, "mismatch": {"repairable": 3}},
}


def test_what_is_planted_is_repaired_and_as_before_once_it_is_undone(shop: Delivering) -> None:
    filled(shop)
    plant(shop)
    run = run_of(shop.shop)
    before = everything()
    assert plan_repair(shop.shop.migration, run, USUAL).item_types() == PLANTED
    assert everything() == before

    done = apply_repair(shop.shop.migration, run, USUAL)
    assert (done.judged, done.repaired) == (11, 11)
    assert_equal_stores(shop)
    assert is_consistent(shop)
    assert shop.drain().counts["settled"] == 0  # nothing was left to a relay
    assert "_deleted" in stored("orders")["C1/O6"]

    undone = undo_repair(shop.shop.migration, run)
    assert (undone.repair_id, undone.undone, undone.left) == (done.id, 11, {})
    assert everything() == before
    shop.drain()
    assert everything() == before  # no relay does it again


def test_what_must_be_named_is_left_alone_until_it_is(shop: Delivering) -> None:
    filled(shop)
    changed("orders", of_order(2), _v=None, note={"S": "theirs"})
    put("orders", {**of_order(98), "note": {"S": "theirs"}})
    put("seats", of_seat("Z"))
    changed("orders", of_order(3), _v={"N": str(3 * EPOCH)})
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "no order"}, "_v": {"N": "1"}})
    shop.run("UPDATE orders SET note = repeat('x', 500000) WHERE id = 9")
    shop.drain()
    run = run_of(shop.shop)
    before = everything()
    done = apply_repair(shop.shop.migration, run, USUAL)
    assert (done.judged, done.repaired, done.not_repairable) == (6, 0, 6)
    assert everything() == before
    assert set(done.reasons.values()) == {1, 3}

    named = apply_repair(shop.shop.migration, run, frozenset({Verdict.FOREIGN}))
    assert (named.repaired, named.not_repairable) == (3, 3)
    assert stored("orders")["C1/O2"]["note"] == {"S": "x"}
    assert "_deleted" in stored("orders")["C1/O98"]
    assert "Z" not in stored("seats")
    ahead = apply_repair(shop.shop.migration, run, frozenset({Verdict.AHEAD}))
    assert (ahead.repaired, ahead.no_longer_different) == (1, 3)
    assert stored("orders")["C1/O3"]["_v"] == {"N": str(3 * EPOCH + 1)}
    assert not is_consistent(shop)  # the unmapped one and the reject are still there
    for _ in range(3):
        assert undo_repair(shop.shop.migration, run).left == {}
    assert everything() == before
    with pytest.raises(StageError, match="no repair of it that could be undone"):
        undo_repair(shop.shop.migration, run)


def test_what_changes_after_it_was_judged_is_left_to_the_relay(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: the version is what the repair would have made it, the content is not. Twice: it is above that."""
    filled(shop)
    plant(shop)
    run = run_of(shop.shop)
    updates = {source_key(2): 1, source_key(3): 2}

    def touch(session: LedgerSession, item_type: str, wanted: Iterable[Raise]) -> dict[str, Touched]:
        asked = list(wanted)
        for one in asked if item_type == "order" else []:
            for _ in range(updates.pop(one.source_key, 0)):
                shop.run(f"UPDATE orders SET note = note || '.' WHERE id = {json.loads(one.source_key)['id']}")
        return touch_unmoved(session, item_type, asked)

    monkeypatch.setattr("pipelines.repair.writing.touch_unmoved", touch)
    done = apply_repair(shop.shop.migration, run, USUAL)
    assert (done.repaired, done.pending) == (10, 1)
    assert done.reasons == {"the source row changed after it was judged; it is the relay's": 1}
    shop.drain()
    assert_equal_stores(shop)
    assert undo_repair(shop.shop.migration, run).left == {
        "the source row has changed since": 1,
        "the target's item is not what the repair wrote": 1,
    }
    assert [stored("orders")[f"C1/O{id}"]["note"] for id in (2, 3)] == [{"S": "x."}, {"S": "x.."}]


def test_the_old_image_is_what_was_judged(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes the item between judging and repairing keeps what was written, until it is judged the next time."""
    filled(shop)
    changed("orders", of_order(2), note={"S": "bad"})
    run = run_of(shop.shop)
    from pipelines.repair.opened import Tools

    real = Tools.items

    def items(self: Tools, keys: Any) -> Any:
        changed("orders", of_order(2), note={"S": "worse"})
        return real(self, keys)

    monkeypatch.setattr(Tools, "items", items)
    done = apply_repair(shop.shop.migration, run, USUAL)
    assert (done.repaired, done.pending) == (0, 1)
    assert stored("orders")["C1/O2"]["note"] == {"S": "worse"}


def test_an_exchange_meets_exactly_what_was_observed(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(shop)
    changed("orders", of_order(2), _v=None, note={"S": "theirs"})
    run = run_of(shop.shop)
    between(
        monkeypatch,
        "pipelines.repair.writing",
        "writes",
        lambda: changed("orders", of_order(2), note={"S": "theirs, and newer"}),
    )
    done = apply_repair(shop.shop.migration, run, frozenset({Verdict.FOREIGN}))
    assert (done.repaired, done.pending) == (0, 1)
    assert stored("orders")["C1/O2"]["note"] == {"S": "theirs, and newer"}


def test_what_changed_after_the_repair_is_not_undone(shop: Delivering) -> None:
    filled(shop)
    plant(shop)
    run = run_of(shop.shop)
    apply_repair(shop.shop.migration, run, USUAL)
    shop.run("UPDATE orders SET note = 'newer' WHERE id = 2")
    changed("orders", of_order(7), note={"S": "by somebody else"})
    undone = undo_repair(shop.shop.migration, run)
    assert undone.undone == 9
    assert undone.left == {
        "the source row has changed since": 1,
        "the target's item is not what the repair wrote": 1,
    }
    shop.drain()
    assert stored("orders")["C1/O2"]["note"] == {"S": "newer"}
    assert stored("orders")["C1/O7"]["note"] == {"S": "by somebody else"}


def test_a_row_that_is_repaired_at_two_keys_is_undone_at_both(shop: Delivering) -> None:
    filled(shop)
    changed("orders", of_order(1), note={"S": "bad"})
    for customer in range(50, 60):  # in all buckets
        put("orders", {"pk": {"S": f"C{customer}"}, "sk": {"S": "O1"}, "_v": {"N": str(EPOCH)}})
    run = run_of(shop.shop)
    before = everything()
    assert apply_repair(shop.shop.migration, run, USUAL).repaired == 11
    assert_equal_stores(shop)
    assert undo_repair(shop.shop.migration, run).undone == 11
    assert everything() == before


def test_log_rows_that_wait_to_be_folded_do_not_shift_the_version(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that commits between a relay's claim and its reading is delivered, and its log row waits."""
    filled(shop)
    update = "UPDATE orders SET note = 'new' WHERE id = 1"
    between(monkeypatch, "pipelines.deliver.deliverer", "read", lambda: shop.run(update))
    with shop.deliverer() as deliverer:
        deliverer.deliver("order", [source_key(1)])
    assert len(shop.shop.log()) == 1
    changed("orders", of_order(1), note={"S": "bad"})
    run = run_of(shop.shop)
    before = everything()
    assert apply_repair(shop.shop.migration, run, USUAL).repaired == 1
    assert_equal_stores(shop)
    assert stored("orders")["C1/O1"]["_v"] == {"N": str(EPOCH + 3)}
    assert undo_repair(shop.shop.migration, run).undone == 1
    assert everything() == before


def test_one_repair_at_a_time(shop: Delivering) -> None:
    filled(shop)
    plant(shop)
    run, migration = run_of(shop.shop), shop.shop.migration
    before = everything()
    with stage_lock(migration.folder.root, "repair", "other"):
        with pytest.raises(StageError, match="other"):
            apply_repair(migration, run, USUAL)
        with pytest.raises(StageError, match="no repair of it"):
            undo_repair(migration, run)
    assert everything() == before


def test_a_run_of_another_source_is_not_repaired(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(shop.shop)
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", shop.shop.url + "_copy")
    with pytest.raises(StageError, match="verify afresh"):
        plan_repair(shop.shop.migration, run, USUAL)


def test_with_a_gap_in_capture_nothing_is_repaired(shop: Delivering) -> None:
    filled(shop)
    plant(shop)
    run = run_of(shop.shop)
    shop.run("ALTER TABLE orders DISABLE TRIGGER ALL")
    with pytest.raises(StageError, match="nothing can be repaired"):
        apply_repair(shop.shop.migration, run, USUAL)


def test_the_command(shop: Delivering, capsys: pytest.CaptureFixture[str]) -> None:
    filled(shop)
    plant(shop)
    run = run_of(shop.shop)
    path = str(shop.shop.migration.path)

    def said(*options: str) -> Any:
        assert cli.run(["repair", path, "--run", run, *options, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    plan = said("--verdict", "missing", "--verdict", "stale")
    assert (plan["judged"], plan["repairable"], plan["not_repairable"]) == (11, 2, 9)
    assert plan["reasons"] == {"not asked for": 9}
    assert {
        "item_type": "order",
        "verdict": "missing",
        "standing": "repairable",
        "table": "orders",
        "key": '{"pk":{"S":"C1"},"sk":{"S":"O3"}}',
    } in plan["samples"]
    assert said("--apply")["repaired"] == 11
    assert said("--undo")["undone"] == 11
    assert cli.run(["repair", path, "--run", run]) == 0
    assert "11 of 11 differences would be repaired" in capsys.readouterr().out
    assert cli.run(["repair", path, "--run", "no-such-run", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "warehouse"


def test_keys_that_show_something_sensitive_are_masked(
    database_url: str,
    tmp_path: Path,
    dynamodb_environment: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    mapping = MAPPING.replace('key: {pk: "{place}"}', 'key: {pk: "{place}"}, sensitive: [place]')
    shop = tables(captured(database_url, tmp_path, SCHEMA, mapping + QUICKLY))
    shop.run("INSERT INTO seats VALUES (1, 'Secret', 'Ann')", "INSERT INTO orders VALUES (1, 1, 'x')")
    run = run_of(shop.shop)
    for options in (["--json"], [], ["--apply"], ["--undo"]):
        assert cli.run(["repair", str(shop.shop.migration.path), "--run", run, *options]) == 0
        said = capsys.readouterr()
        assert "Secret" not in said.out + said.err
    plan = plan_repair(shop.shop.migration, run, USUAL)
    assert "O1" in repr(plan)


def test_images_and_results_may_lie_in_s3(
    database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="repairs", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    away = Migration.open(opened(tmp_path, MAPPING + QUICKLY).path, Place.of("s3://repairs/warehouse"))
    captured_away = Captured(database_url, away)
    captured_away.run(SCHEMA)
    install_capture(away, database_url)
    shop = tables(captured_away)
    filled(shop)
    plant(shop)
    run, before = run_of(shop.shop), everything()
    assert apply_repair(away, run, USUAL).repaired == 11
    assert_equal_stores(shop)
    assert undo_repair(away, run).undone == 11
    assert everything() == before


def test_the_accounts_balance(shop: Delivering) -> None:
    filled(shop)
    plant(shop)
    run = run_of(shop.shop)
    shop.run("UPDATE orders SET note = 'new' WHERE id = 8")
    removed("orders", of_order(99))
    done: RepairManifest = apply_repair(shop.shop.migration, run, USUAL)
    assert (done.judged, done.repaired, done.no_longer_different) == (11, 10, 1)
