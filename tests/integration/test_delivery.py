"""Delivery on PostgreSQL and DynamoDB: what goes wrong where a rule is missing, each as a test of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.capture import upgrade_capture
from pipelines.deliver.reading import read
from pipelines.errors import StageError
from pipelines.source.ledger.claim import Lease, claim
from pipelines.target.chain_write import ChainWriter
from pipelines.target.conditional_write import Answered, Sent
from tests.captured_shop import captured
from tests.delivered_shop import (
    EPOCH,
    LEASES_END,
    MAPPING,
    SCHEMA,
    Delivering,
    assert_equal_stores,
    between,
    held_back,
    live,
    put,
    source_key,
    stored,
    tables,
    versions,
)
from tests.fault_proxy import FaultProxy
from tests.faults import Fault
from tests.taciturn_endpoint import taciturn_endpoint

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str) -> Delivering:
    return tables(captured(database_url, tmp_path, SCHEMA, MAPPING))


def test_source_keys_of_an_earlier_primary_key_hold_nothing_up(shop: Delivering) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1, NULL, false)", "INSERT INTO seats VALUES (1, 'here', 'Ann')")
    shop.drain()
    shop.run("ALTER TABLE seats RENAME COLUMN id TO number")
    upgrade_capture(shop.shop.migration, shop.shop.url)
    shop.run("UPDATE orders SET note = 'changed'", "INSERT INTO seats VALUES (2, 'there', 'Bob')")
    assert shop.drain().set_apart == ()
    assert [one["note"] for one in live("orders").values()] == [{"S": "changed"}]
    assert sorted(one["guest"]["S"] for one in live("seats").values()) == ["Ann", "Bob"]


def test_changes_of_all_kinds_arrive(shop: Delivering) -> None:
    shop.run(
        "INSERT INTO products VALUES (7, 'pen')",
        "INSERT INTO orders VALUES (1, 1, NULL, false), (2, 1, NULL, false), (3, 2, 'x', true)",
        "INSERT INTO lines VALUES (1, 1, 7), (2, 1, NULL)",
    )
    first = shop.drain()
    assert_equal_stores(shop)
    assert first.set_apart == ()
    shop.run(
        "UPDATE products SET name = 'ink'",
        "UPDATE orders SET customer = 9 WHERE id = 2",
        "UPDATE orders SET draft = false WHERE id = 3",
    )
    assert shop.drain().marks == 1
    assert_equal_stores(shop)
    assert "C1/O2" in stored("orders")
    shop.run("DELETE FROM orders WHERE id = 1", "UPDATE orders SET draft = true WHERE id = 3")
    shop.drain()
    assert_equal_stores(shop)
    assert set(live("orders")) == {"C9/O2"}
    assert shop.shop.log() == []


def test_a_delivery_of_what_is_delivered_is_done(shop: Delivering) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1)")
    shop.drain()
    with shop.deliverer() as deliverer:
        counts = deliverer.deliver("order", [source_key(1), source_key(99)]).counts()
    assert counts["done"] == 1
    assert counts["settled"] == 2
    assert shop.drain().counts["settled"] == 0


def test_an_update_between_read_and_mark_stays_undelivered(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """[marking "current" loses an update committed meanwhile]"""
    shop.run("INSERT INTO orders VALUES (1, 1, 'old')")
    update = "UPDATE orders SET note = 'new' WHERE id = 1"
    between(monkeypatch, "pipelines.deliver.deliverer", "mark_delivered", lambda: shop.run(update))
    with shop.deliverer() as deliverer:
        deliverer.deliver("order", [source_key(1)])
    assert live("orders")["C1/O1"]["note"] == {"S": "old"}
    assert shop.item("order", 1)[1] == EPOCH + 1
    shop.drain()
    assert_equal_stores(shop)


def test_an_older_put_that_comes_late_changes_nothing(shop: Delivering) -> None:
    """Neither over a newer item nor over a tombstone. [newer wins; tombstone also where there is nothing]"""
    shop.run("INSERT INTO orders VALUES (1, 1, 'old'), (2, 1, NULL)")
    late = held_back(shop, "order", 1, 2)
    shop.run("UPDATE orders SET note = 'new' WHERE id = 1", "DELETE FROM orders WHERE id = 2")
    shop.drain()
    before = stored("orders")
    assert [answer.sent for answer in late()] == [Sent.REFUSED, Sent.REFUSED]
    assert stored("orders") == before
    assert_equal_stores(shop)


def test_equal_version_and_other_content_under_a_mark_is_judged_again(shop: Delivering) -> None:
    """A snapshot that was read while a mark was open shows the new name at the old version."""
    shop.run("INSERT INTO products VALUES (7, 'old')", "INSERT INTO orders VALUES (1, 1)",
             "INSERT INTO lines VALUES (1, 1, 7)")  # fmt: skip
    held_back(shop, "order", 1)()
    shop.run(LEASES_END, "UPDATE products SET name = 'new'")
    with shop.deliverer() as deliverer:
        counts = deliverer.deliver("order", [source_key(1)]).counts()
    assert counts["again"] == 1
    assert shop.drain().set_apart == ()
    assert_equal_stores(shop)


def test_a_moved_order_leaves_a_tombstone_though_only_a_backfill_has_put_it(shop: Delivering) -> None:
    """[nobody knows the key that was left]"""
    shop.run("INSERT INTO orders VALUES (6, 1), (7, 1)")
    shop.shop.forget()
    for id in (6, 7):
        put("orders", {"pk": {"S": "C1"}, "sk": {"S": f"O{id}"}, "_v": {"N": str(EPOCH)}})
    shop.run("UPDATE orders SET customer = 2 WHERE id = 6", "DELETE FROM orders WHERE id = 7")
    shop.drain()
    assert_equal_stores(shop)
    assert versions("orders") == {"C1/O6": -EPOCH - 1, "C2/O6": EPOCH + 1, "C1/O7": -EPOCH - 1}
    assert shop.item("order", 6)[2] == []


def test_a_key_that_is_left_after_the_claim_gets_its_tombstone(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[move order 6 ‖ insert a line of order 6: the key is computed at delivery]"""
    shop.run("INSERT INTO orders VALUES (6, 1)")
    shop.drain()
    shop.run("UPDATE orders SET note = 'x' WHERE id = 6")
    moved = ("UPDATE orders SET customer = 2 WHERE id = 6", "INSERT INTO lines VALUES (6, 1, NULL)")
    between(monkeypatch, "pipelines.deliver.deliverer", "read", lambda: shop.run(*moved))
    with shop.deliverer() as deliverer:
        counts = deliverer.deliver("order", [source_key(6)]).counts()
    assert (counts["written"], counts["tombstoned"]) == (1, 1)
    assert_equal_stores(shop)
    with shop.deliverer() as deliverer:  # a relay that folds the log rows, and dies
        claim(deliverer.session, deliverer.plan.item("order"), [source_key(6)], deliverer.lease)
    assert shop.item("order", 6)[2] == []  # the key was done with
    shop.run(LEASES_END)
    shop.drain()
    assert_equal_stores(shop)


def test_many_rows_that_held_one_key_are_all_done_with(shop: Delivering) -> None:
    """Each tombstone is raised over the other ones."""
    shop.run(*[f"INSERT INTO seats VALUES ({n}, 'A'); DELETE FROM seats WHERE id = {n}" for n in range(30)])
    shop.run("INSERT INTO seats VALUES (99, 'A', 'Ann')")
    assert shop.drain().set_apart == ()
    assert_equal_stores(shop)


def test_rows_that_swap_their_keys_do_not_wait_for_each_other(shop: Delivering) -> None:
    """[tombstones despite waiting]"""
    shop.run("INSERT INTO seats VALUES (1, 'A', 'Ann'), (2, 'B', 'Bob')")
    shop.drain()
    shop.run("UPDATE seats SET place = CASE id WHEN 1 THEN 'B' ELSE 'A' END")
    assert shop.drain(lease_seconds=0.5).set_apart == ()
    assert_equal_stores(shop)


def test_a_row_that_holds_a_key_from_before_the_ledger_is_asked_to_leave(shop: Delivering) -> None:
    """[B waits for ever, for nobody knows that A's item stands there]"""
    shop.run("INSERT INTO seats VALUES (1, 'A', 'Ann')")
    shop.drain()
    shop.run("INSERT INTO seats VALUES (2, 'B', 'Bob')", "UPDATE seats SET place = 'C' WHERE id = 1",
             "UPDATE seats SET place = 'A' WHERE id = 2")  # fmt: skip
    shop.run("DELETE FROM crossover.log WHERE old IS NOT NULL",
             f"INSERT INTO crossover.log VALUES ('small', 'seat', '{source_key(2)}')")  # fmt: skip
    assert shop.drain(lease_seconds=0.5).counts["held"] >= 1
    assert_equal_stores(shop)


def test_two_rows_that_have_one_key_now_end_in_one_item_and_one_problem(shop: Delivering) -> None:
    shop.run("INSERT INTO seats VALUES (1, 'A', 'Ann'), (2, 'A', 'Bob')")
    drained = shop.drain(lease_seconds=0.5, most_tries=3)
    assert len(drained.set_apart) == 1
    assert len(live("seats")) == 1


def test_a_row_that_cannot_be_an_item_leaves_its_old_item_alone(shop: Delivering) -> None:
    """A reject: verdict `rejected`, whatever the target holds; delivered, for only a change can help."""
    shop.run("INSERT INTO orders VALUES (1, 1, 'good')", "INSERT INTO seats VALUES (1, 'A'), (2, 'B')")
    shop.drain()
    big = "string_agg(md5(n::text), '')"
    shop.run(
        f"UPDATE orders SET note = (SELECT {big} FROM generate_series(1, 14000) n) WHERE id = 1",
        "UPDATE seats SET place = '' WHERE id = 1",
    )
    drained = shop.drain()
    assert (drained.counts["rejected"], drained.set_apart) == (2, ())
    assert live("orders")["C1/O1"]["note"] == {"S": "good"}
    assert set(live("seats")) == {"B"}
    base, delivered, _, attempts, error, _ = shop.item("order", 1)
    assert delivered == EPOCH + base
    assert attempts == 0
    assert error.startswith("rejected: item_too_large")
    shop.run("UPDATE orders SET note = 'better' WHERE id = 1", "UPDATE seats SET place = 'A' WHERE id = 1")
    shop.drain()
    assert shop.item("order", 1)[4] is None
    assert_equal_stores(shop)


def test_an_item_that_dynamodb_refuses_is_set_apart(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 1)")
    real = ChainWriter.write

    def poisoned(self: Any, chains: Any, *others: Any) -> Any:
        answers = real(self, chains, *others)
        return [
            [Answered(one.write, Sent.UNKNOWN, code="ReadTimeout") if "O1" in one.write.key else one for one in several]
            for several in answers
        ]

    monkeypatch.setattr(ChainWriter, "write", poisoned)
    drained = shop.drain(most_tries=4)
    assert [one.problem for one in drained.set_apart] == ["no answer that can be understood (ReadTimeout)"]
    assert shop.item("order", 1)[3:5] == (4, "no answer that can be understood (ReadTimeout)")
    assert shop.item("order", 2)[1] == EPOCH + 1
    monkeypatch.undo()


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.LATE])
def test_a_write_without_an_answer_is_not_delivered(
    shop: Delivering, fault: Fault, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[a timeout is unknown]"""
    shop.run("INSERT INTO orders VALUES (1, 1)")
    proxy = FaultProxy(dynamodb_environment, lambda n, _: None if n else fault, slow_seconds=0.2, actions=("PutItem",))
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        with shop.deliverer() as deliverer:
            counts = deliverer.deliver("order", [source_key(1)]).counts()
            assert (counts["unknown"], counts["settled"]) == (1, 0)
            assert shop.item("order", 1)[1] is None
            shop.run("DELETE FROM orders WHERE id = 1")
        assert shop.drain().set_apart == ()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_environment)
    assert live("orders") == {}
    assert versions("orders") == {"C1/O1": -EPOCH - 2}


def test_an_endpoint_whose_refusals_do_not_tell_what_is_there_is_asked(
    shop: Delivering, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 1), (3, 1)", "INSERT INTO seats VALUES (1, 'S1')")
    shop.drain()
    shop.run(
        "UPDATE crossover.item SET delivered = NULL",  # as if it had died before it marked them
        "DELETE FROM orders WHERE id = 2",
        "UPDATE seats SET id = 2",
    )
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "O3"}, "theirs": {"S": "x"}})
    with taciturn_endpoint(dynamodb_environment) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        drained = shop.drain()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_environment)
    assert (drained.counts["done"], drained.counts["tombstoned"]) == (1, 2)
    assert [(one.source_key, one.problem[:8]) for one in drained.set_apart] == [(source_key(3), "conflict")]
    assert live("seats") == {"S1": {"pk": {"S": "S1"}, "id": {"N": "2"}, "place": {"S": "S1"}}}


def test_rows_and_versions_are_of_one_snapshot(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """[version newer than the state: lost update; older: false alarm]"""
    shop.run("INSERT INTO orders VALUES (1, 1, 'old')")
    update = "UPDATE orders SET note = 'new' WHERE id = 1"
    between(monkeypatch, "pipelines.deliver.reading", "read_items", lambda: shop.run(update))
    with shop.deliverer() as deliverer:
        deliverer.deliver("order", [source_key(1)])
    assert live("orders")["C1/O1"]["note"] == {"S": "old"}
    assert versions("orders") == {"C1/O1": EPOCH + 1}
    shop.drain()
    assert_equal_stores(shop)


def test_nothing_is_sent_after_the_lease_ends(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1)")
    between(monkeypatch, "pipelines.deliver.deliverer", "read", lambda: time.sleep(0.25))
    with shop.deliverer(lease_seconds=0.2) as deliverer:
        counts = deliverer.deliver("order", [source_key(1)]).counts()
    assert counts["not_sent"] == 1
    assert stored("orders") == {}
    shop.drain()
    assert_equal_stores(shop)


def test_nothing_is_delivered_before_capture_is_on_or_under_another_mapping(shop: Delivering, tmp_path: Path) -> None:
    """[reinstall; mapping upgrade]"""
    shop.run("INSERT INTO orders VALUES (1, 1)")
    with shop.deliverer() as deliverer:
        shop.run("UPDATE crossover.control SET capture = 'off'")
        with pytest.raises(StageError, match="capture of small is not on"):
            deliverer.deliver("order", [source_key(1)])
        shop.run("UPDATE crossover.control SET capture = 'on', mapping_hash = 'x'")
        with pytest.raises(StageError, match="captured for another mapping"):
            deliverer.deliver("order", [source_key(1)])
    with pytest.raises(StageError, match="another one was installed"):
        shop.drain()
    assert stored("orders") == {}


@pytest.mark.parametrize(
    "earlier",
    [
        (
            "ALTER TABLE crossover.item DROP COLUMN lease_holder",
            "ALTER TABLE crossover.control DROP COLUMN sweeps",
            "DROP TABLE crossover.backfill",
        ),
        ("DROP TABLE crossover.relay", "ALTER TABLE crossover.item DROP COLUMN due, DROP COLUMN since"),
        ("DROP FUNCTION crossover.followed(text, text, text)",),
    ],
    ids=["without sweeps", "without relays", "without followers"],
)
def test_an_earlier_crossovers_ledger_is_a_gap_that_an_upgrade_mends(
    shop: Delivering, earlier: tuple[str, ...]
) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1)", *earlier)
    assert [gap.where for gap in shop.shop.status().gaps] == ["schema crossover"]
    with pytest.raises(StageError, match=r"an earlier Crossover's ledger; run `crossover capture … upgrade`"):
        shop.drain()
    upgrade_capture(shop.shop.migration, shop.shop.url)
    assert shop.shop.status().gaps == ()
    shop.drain()
    assert versions("orders") == {"C1/O1": 2 * EPOCH + 1}


def test_a_claim_folds_once_whatever_compaction_holds(shop: Delivering) -> None:
    shop.run("INSERT INTO orders VALUES (6, 1)", *["UPDATE orders SET customer = customer + 1"] * 3)
    with shop.session() as session, shop.shop.session() as other, shop.deliverer() as deliverer:
        other.execute("BEGIN")
        other.execute("SELECT FROM crossover.log WHERE old IS NULL FOR UPDATE")
        item = deliverer.plan.item("order")
        assert claim(session, item, [source_key(6)], Lease("x", 60)) == [source_key(6)]
        (reading,) = read(session, item, [source_key(6)])
        other.execute("ROLLBACK")
    assert reading.version == EPOCH + 4
    assert {left.left for left in reading.left} == {EPOCH + 4}
    assert {left.key for left in reading.kept} == {f'{{"pk":{{"S":"C{n}"}},"sk":{{"S":"O6"}}}}' for n in (1, 2, 3)}
    assert shop.item("order", 6)[0] == 3
