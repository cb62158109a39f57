"""Differences judged by reading again, on PostgreSQL and DynamoDB: each verdict, in both modes, and each race."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import StageError
from pipelines.judging import judge as judging
from pipelines.judging.judge import Judge
from pipelines.judging.opened import opened_judge
from pipelines.judging.suspect import Judgement, Seen, Suspect
from pipelines.tables import create_tables
from tests.captured_shop import Captured, captured, database, opened
from tests.delivered_shop import EPOCH, MAPPING, SCHEMA, Delivering, between, source_key, tables
from tests.kept_client import client

pytestmark = pytest.mark.integration

QUICKLY = "checks: {settle_seconds: 0}\n"
LATER = EPOCH * 2


@pytest.fixture(scope="module")
def captured_once(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "judging") as url:
        yield captured(url, tmp_path_factory.mktemp("judging"), SCHEMA, MAPPING + QUICKLY)


@pytest.fixture
def shop(captured_once: Captured, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    return emptied(captured_once, monkeypatch)


def emptied(shop: Captured, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    """Nothing in the source, nothing that the ledger has heard of, and empty tables; one client for all that ask."""
    for module in ("pipelines.deliver.opened", "pipelines.dump.run", "pipelines.judging.opened"):
        monkeypatch.setattr(f"{module}.dynamodb_client", lambda *_: client())
    shop.run("TRUNCATE orders, lines, products, seats", "UPDATE crossover.control SET epoch = 1")
    shop.forget()
    create_tables(shop.migration.mapping, client())
    return Delivering(shop)


@pytest.fixture
def uncaptured(database_url: str, tmp_path: Path, dynamodb_environment: str) -> Captured:
    """The same shop without a ledger."""
    migration = opened(tmp_path, MAPPING + QUICKLY)
    shop = Captured(database_url, migration)
    shop.run(SCHEMA)
    create_tables(migration.mapping, client())
    return shop


def order_key(customer: int, id: int) -> str:
    return f'{{"pk":{{"S":"C{customer}"}},"sk":{{"S":"O{id}"}}}}'


def order(id: int, customer: int = 1, known: bool = True) -> Suspect:
    """`known`: the snapshot had its row."""
    return Suspect("order", "orders", order_key(customer, id), source_key(id) if known else None)


def seat(place: str, id: int | None = None) -> Suspect:
    return Suspect("seat", "seats", f'{{"pk":{{"S":"{place}"}}}}', None if id is None else source_key(id))


def change(table: str, key: dict[str, Any], **attributes: Any) -> None:
    """As whoever knows nothing of the protocol does; None: the attribute is removed."""
    for name, value in attributes.items():
        client().update_item(
            TableName=table,
            Key=key,
            ExpressionAttributeNames={"#n": name},
            **(
                {"UpdateExpression": "REMOVE #n"}
                if value is None
                else {"UpdateExpression": "SET #n = :v", "ExpressionAttributeValues": {":v": value}}
            ),
        )


def of_order(id: int, customer: int = 1) -> dict[str, Any]:
    return {"pk": {"S": f"C{customer}"}, "sk": {"S": f"O{id}"}}


def put(table: str, item: dict[str, Any]) -> None:
    client().put_item(TableName=table, Item=item)


def remove(table: str, key: dict[str, Any]) -> None:
    client().delete_item(TableName=table, Key=key)


def verdicts(shop: Captured, *suspects: Suspect) -> list[str]:
    return [f"{one.ruling.rule} {one.verdict}" for one in judgements(shop, *suspects)]


def judgements(shop: Captured, *suspects: Suspect) -> list[Judgement]:
    with opened_judge(shop.migration, shop.url) as judge:
        return judge.judge(suspects[0].item_type, suspects)


def test_every_verdict_by_the_ledger(shop: Delivering) -> None:
    shop.run(
        "INSERT INTO products VALUES (7, 'pen')",
        "INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 14) n",
        "INSERT INTO lines VALUES (9, 1, 7)",
    )
    shop.drain()
    shop.run(
        "UPDATE orders SET note = 'new' WHERE id IN (7, 8)",
        "UPDATE products SET name = 'ink'",  # a mark, which reaches order 9
        "UPDATE orders SET customer = NULL WHERE id = 10",
        "DELETE FROM orders WHERE id IN (11, 12)",
        "UPDATE orders SET note = repeat('x', 500000) WHERE id = 14",
    )
    with shop.deliverer() as deliverer:
        deliverer.deliver("order", [source_key(id) for id in (8, 10, 12)])
    change("orders", of_order(2), note={"S": "bad"})
    remove("orders", of_order(3))
    change("orders", of_order(4), _v=None)
    change("orders", of_order(5), _v={"N": str(EPOCH + 99)})
    change("orders", of_order(8), note={"S": "old"}, _v={"N": str(EPOCH + 1)})
    put("orders", {**of_order(12), "note": {"S": "back"}, "_v": {"N": str(EPOCH)}})
    put("orders", {**of_order(99), "note": {"S": "invented"}, "_v": {"N": str(EPOCH)}})
    put("orders", {**of_order(98), "note": {"S": "invented"}, "_v": {"N": str(LATER)}})
    found = verdicts(
        shop.shop,
        *map(order, range(1, 13)),
        order(13, customer=5),  # a key that it has never had
        order(14),
        order(99, known=False),
        order(98, known=False),
    )
    assert found == [
        "f match",
        "i mismatch",
        "l missing",
        "b foreign",
        "c ahead",
        "f match",
        "j pending",
        "m stale",
        "g pending",
        "d rejected",  # its key cannot be built any more
        "j pending",  # a delete under way
        "k extra",
        "f match",
        "d rejected",
        "i extra",
        "c ahead",
    ]


def test_what_was_written_since_is_read_again(shop: Delivering) -> None:
    """The relay delivers between S1 and T; what is judged then is what both sides have by now."""
    shop.run("INSERT INTO orders VALUES (1, 1, 'old'), (2, 1, 'old')")
    shop.drain()

    def change_and_deliver() -> None:
        shop.run("UPDATE orders SET note = 'new' WHERE id = 1", "DELETE FROM orders WHERE id = 2")
        shop.drain()

    with opened_judge(shop.shop.migration, shop.shop.url) as judge:
        before_target(judge, change_and_deliver)
        one, two = judge.judge("order", [order(1), order(2)])
    assert (one.verdict, two.verdict) == ("match", "match")
    assert (one.source.version, one.source.later_version) == (EPOCH + 2, EPOCH + 2)
    assert one.target is not None
    assert '"note":{"S":"new"}' in one.target.item
    assert two.target is not None
    assert two.target.is_tombstone


def test_the_source_is_read_before_the_target(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is delivered between the two would look lost."""
    shop.run("INSERT INTO orders VALUES (1, 1, 'old'), (2, 1, 'old')")
    shop.drain()

    def change_and_deliver() -> None:
        shop.run("UPDATE orders SET note = 'new' WHERE id = 1", "INSERT INTO orders VALUES (3, 1)")
        shop.drain()

    between(monkeypatch, "pipelines.judging.judge", "tables_of", change_and_deliver)  # before the snapshot
    found = judgements(shop.shop, order(1), order(3))
    assert [one.verdict for one in found] == ["match", "match"]


def before_target(judge: Judge, change: Callable[[], object], times: int = 1) -> None:
    """Before the target is read, so many times."""
    real, left = judge.reader.read, [change] * times

    def read(*arguments: Any) -> Any:
        if left:
            left.pop()()
        return real(*arguments)

    object.__setattr__(judge.reader, "read", read)


def test_what_never_stands_still_is_in_flight(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "PAUSE_SECONDS", 0.0)
    shop.run("INSERT INTO orders VALUES (1, 1, 'old')")
    shop.drain()
    change("orders", of_order(1), note={"S": "bad"})

    def move() -> None:
        shop.run("UPDATE orders SET note = note || '.' WHERE id = 1")

    with opened_judge(shop.shop.migration, shop.shop.url) as judge:
        before_target(judge, move, times=4)  # the first reading, and three more
        (found,) = judge.judge("order", [order(1)])
        assert (found.ruling.rule, found.verdict) == ("h", "in_flight")
        before_target(judge, move, times=3)
        (found,) = judge.judge("order", [order(1)])
    assert (found.ruling.rule, found.verdict) == ("j", "pending")


def test_two_rows_at_one_key(shop: Delivering) -> None:
    shop.run("INSERT INTO seats VALUES (1, 'A', 'Ann'), (2, 'B', 'Ben'), (3, 'C', 'Cid'), (4, 'D', 'Dot')")
    shop.drain()
    shop.run("UPDATE seats SET place = 'Z' WHERE id = 1", "UPDATE seats SET place = 'A' WHERE id = 2")
    change("seats", {"pk": {"S": "C"}}, _s={"S": source_key(4)})
    change("seats", {"pk": {"S": "D"}}, _s={"S": '{"nobody":"4"}'})
    put("seats", {"pk": {"S": "E"}, "_v": {"N": str(EPOCH)}, "_s": {"S": source_key(9)}})
    suspects = seat("A", 1), seat("B", 2), seat("C", 3), seat("D", 4), seat("E"), seat("F")
    assert verdicts(shop.shop, *suspects) == [
        "j pending",
        "j pending",
        "owners mismatch",  # equal in content, but it says that it is another guest's
        "f match",
        "i extra",
        "f match",
    ]
    shop.drain()
    with opened_judge(shop.shop.migration, shop.shop.url) as judge:
        judge.options = replace(judge.options, rereads=0)
        (found,) = judge.judge("seat", [seat("A", 1)])  # the snapshot had it for guest 1; by now it is guest 2's
    assert (found.verdict, found.source.source_key) == ("match", source_key(2))


def test_rows_that_claim_one_key_are_rejected(shop: Delivering) -> None:
    shop.run("INSERT INTO seats VALUES (1, 'A', 'Ann')")
    shop.drain()
    shop.run("INSERT INTO seats VALUES (2, 'A', 'Ben')")
    with shop.deliverer() as deliverer:
        deliverer.deliver("seat", [source_key(2)])
    found = verdicts(shop.shop, seat("A", 1), seat("A", 2))
    assert found == ["owners rejected", "owners rejected"]
    shop.run("DELETE FROM seats WHERE id = 1")
    shop.drain()
    assert verdicts(shop.shop, seat("A", 1), seat("A", 2)) == ["f match", "f match"]


def test_without_a_ledger_a_difference_counts_that_stands(uncaptured: Captured) -> None:
    uncaptured.run("INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 5) n")
    for id in range(1, 6):
        put("orders", {**whole_order(id), "_v": {"N": "0"}})
    change("orders", of_order(2), note={"S": "bad"})
    remove("orders", of_order(3))
    change("orders", of_order(4), _v=None)
    change("orders", of_order(5), _v={"N": "1"})
    put("orders", {**whole_order(6), "_v": {"N": "0"}})
    suspects = *map(order, range(1, 6)), order(6, known=False)
    assert verdicts(uncaptured, *suspects) == [
        "f match",
        "i mismatch",
        "l missing",
        "b foreign",
        "c ahead",
        "i extra",
    ]


def whole_order(id: int) -> dict[str, Any]:
    return {
        **of_order(id),
        "id": {"N": str(id)},
        "customer": {"N": "1"},
        "note": {"S": "x"},
        "draft": {"BOOL": False},
        "lines": {"L": []},
    }


def test_without_a_ledger_what_changes_is_read_again(uncaptured: Captured) -> None:
    uncaptured.run("INSERT INTO orders VALUES (1, 1, 'x'), (2, 1, 'x'), (3, 1, 'x')")
    put("orders", {**whole_order(1), "note": {"S": "bad"}, "_v": {"N": "0"}})
    put("orders", {**whole_order(3), "note": {"S": "bad"}, "_v": {"N": "0"}})

    def move() -> None:
        uncaptured.run("UPDATE orders SET note = note || '.' WHERE id = 1")

    def write() -> None:
        put("orders", {**whole_order(2), "_v": {"N": "0"}})

    with opened_judge(uncaptured.migration, uncaptured.url) as judge:
        before_target(judge, move, times=9)
        before_target(judge, write)
        found = judge.judge("order", [order(1), order(2), order(3)])
        assert [one.verdict for one in found] == ["in_flight", "match", "mismatch"]
        waits: list[float] = []
        object.__setattr__(judge.options, "pause", waits.append)
        stood = judge.judge("order", [seen_before(found[2])])
    assert [one.verdict for one in stood] == ["mismatch"]
    assert waits == []  # it was seen before, and is the same still


def seen_before(judgement: Judgement) -> Suspect:
    target = judgement.target
    assert target is not None
    outcome: Any = judgement.source.outcome
    seen = Seen(outcome.digest, target.digest, target.version, judgement.source.version)
    return Suspect("order", "orders", judgement.suspect.key, judgement.suspect.source_key, seen)


def test_a_key_of_no_item_type_is_unmapped_as_long_as_it_is_there(shop: Delivering) -> None:
    key = '{"pk":{"S":"C1"},"sk":{"S":"no order"}}'
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "no order"}})
    suspect = Suspect(None, "orders", key, None)
    assert verdicts(shop.shop, suspect) == ["a unmapped"]
    remove("orders", {"pk": {"S": "C1"}, "sk": {"S": "no order"}})
    assert verdicts(shop.shop, suspect) == ["f match"]


def test_a_reject_without_a_key_is_judged_where_it_is_by_now(shop: Delivering) -> None:
    shop.run("INSERT INTO orders VALUES (1, NULL, 'x')")
    suspect = Suspect("order", "orders", None, source_key(1))
    assert verdicts(shop.shop, suspect) == ["d rejected"]
    shop.run("UPDATE orders SET customer = 1")
    shop.drain()
    assert verdicts(shop.shop, suspect) == ["f match"]
    change("orders", of_order(1), note={"S": "bad"})
    assert verdicts(shop.shop, suspect) == ["i mismatch"]
    shop.run("DELETE FROM orders")
    assert verdicts(shop.shop, suspect) == ["f match"]


def test_an_expired_item_that_is_gone_is_no_loss(database_url: str, tmp_path: Path, dynamodb_environment: str) -> None:
    now = int(time.time())
    mapping = """
migration: small
target: {tables: {visits: {partition_key: {name: pk, type: S}, ttl: ends}}}
items: {visit: {table: visits, from: visits, key: {pk: "V{id}"}, types: {ends: epoch_seconds}}}
"""
    schema = "CREATE TABLE visits (id int PRIMARY KEY, ends timestamptz)"
    shop = tables(captured(database_url, tmp_path, schema, mapping))
    shop.run(f"INSERT INTO visits VALUES (1, to_timestamp({now - 9})), (2, to_timestamp({now + 999})), (3, NULL)")
    shop.drain()
    for id in (1, 2, 3):
        remove("visits", {"pk": {"S": f"V{id}"}})
    suspects = [Suspect("visit", "visits", f'{{"pk":{{"S":"V{id}"}}}}', source_key(id)) for id in (1, 2, 3)]
    assert verdicts(shop.shop, *suspects) == ["e expired", "l missing", "l missing"]


def test_another_epoch_ends_the_judging(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("INSERT INTO orders VALUES (1, 1, 'x')")
    with opened_judge(shop.shop.migration, shop.shop.url) as judge:
        shop.run("UPDATE crossover.control SET epoch = 2")
        with pytest.raises(StageError, match="epoch 2 of small has begun"):
            judge.judge("order", [order(1)])


def test_the_ledger_is_read_in_the_snapshot_of_the_rows(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 6: else a version would be newer than its content, and what was lost would look delivered."""
    shop.run("INSERT INTO orders VALUES (1, 1, 'old')")
    shop.drain()
    between(
        monkeypatch,
        "pipelines.source.versioned",
        "read_states",
        lambda: shop.run("UPDATE orders SET note = 'new'"),
    )
    (found,) = judgements(shop.shop, order(1))
    assert (found.source.version, found.source.later_version) == (EPOCH + 1, EPOCH + 2)
    assert found.verdict == "match"
