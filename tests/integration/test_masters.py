"""Writes of an application by way of the store that is the master: real PostgreSQL, real guard, moto."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from operator import methodcaller
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from sqlalchemy import create_engine, text

from examples.shop.generate import load
from pipelines.errors import TargetError, UsageError
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.load import load_mapping
from pipelines.mapping.outcome import Assembled
from pipelines.masters import (
    AsyncItemWriter,
    ConflictError,
    ItemExistsError,
    ItemWriter,
    Masters,
    NoItemError,
    UnknownWriteError,
    WriteFencedError,
)
from pipelines.masters.item_form import ItemForm
from pipelines.reading.shown import shown
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog
from pipelines.source.online import read_items
from pipelines.target.embedded import EmbeddedDynamoDB
from tests.captured_shop import database
from tests.fault_proxy import FaultProxy
from tests.faults import Fault
from tests.masters_shop import Shop, in_threads, opened_shop, with_control_table, write_on
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

EPOCH = 3 * 2**40
PLACED = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
ORDER: dict[str, Any] = {"order_id": 7, "customer_id": 1, "status": "placed", "total": Decimal("9.50")}


MADE = {"pk", "sk", "gsi1pk", "gsi1sk", "entity", "schema_version", "visible"}
"""Attributes of the example shop that are made of columns that its items show."""


@pytest.fixture(scope="module")
def opened(
    postgres_server: str, dynamodb_server: EmbeddedDynamoDB, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    with database(postgres_server, "masters") as url, pytest.MonkeyPatch.context() as variables:
        for name, value in dynamodb_server.environment().items():
            variables.setenv(name, value)
        yield opened_shop(tmp_path_factory.mktemp("masters"), url)


@pytest.fixture
def shop(opened: Shop, dynamodb_environment: str) -> Shop:
    return opened.empty()


@pytest.fixture
def switched(shop: Shop) -> Shop:
    """DynamoDB is the master of both groups."""
    with_control_table(shop)
    for group in ("order", "counter"):
        shop.say("dynamodb_first", group)
        shop.guard(group)
    return shop


def never(*_: Any) -> Any:
    raise AssertionError("not the master")


class Clock:
    """A clock that others set, and a sleep that moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[Any] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)
        if self.slept:
            self.slept.pop(0)()


def test_without_a_control_table_rds_is_the_master(shop: Shop) -> None:
    masters = shop.masters()
    assert masters.write("order", rds=lambda: "rds", dynamodb=never) == "rds"
    with pytest.raises(UsageError, match="order: RDS is its master"):
        masters.write("order", rds=None, dynamodb=never)
    with pytest.raises(UsageError, match="no item type `invoice`"):
        masters.write("invoice", rds=never, dynamodb=never)


def test_an_item_is_written_as_the_relay_would_have_written_it(switched: Shop) -> None:
    masters = switched.masters(now=lambda: 1_764_419_400.5)
    lines = [{"line_no": 2, "sku": "b"}, {"line_no": 1, "sku": "a"}]
    given = ORDER | {"placed_at": PLACED, "lines": lines}
    masters.write("order", rds=never, dynamodb=lambda items: items.put("order", given))
    item = switched.at("CUSTOMER#1", "ORDER#00007")
    assert item is not None and len(item.pop("_w")["S"]) == 6
    version = int(item.pop("_v")["N"])
    assert version == EPOCH + 28_729_800_500  # milliseconds since 2025
    assert item == {
        "pk": {"S": "CUSTOMER#1"},
        "sk": {"S": "ORDER#00007"},
        "order_id": {"N": "7"},
        "customer_id": {"N": "1"},
        "status": {"S": "placed"},
        "total": {"N": "9.5"},
        "placed_at": {"S": "2026-11-29T12:30:00.000000Z"},
        "entity": {"S": "order"},
        "gsi1pk": {"S": "2026-11-29#placed"},
        "lines": {
            "L": [
                {"M": {"line_no": {"N": "1"}, "sku": {"S": "a"}}},
                {"M": {"line_no": {"N": "2"}, "sku": {"S": "b"}}},
            ]
        },
    }

    def paid(order: dict[str, Any]) -> dict[str, Any]:
        return order | {"status": "paid"}

    stored = masters.write(
        "order", rds=never, dynamodb=lambda items: items.update("order", paid, customer_id=1, order_id=7)
    )
    assert (stored["status"], stored["gsi1pk"], stored["total"]) == ("paid", "2026-11-29#paid", Decimal("9.5"))
    item = switched.at("CUSTOMER#1", "ORDER#00007")
    assert item is not None and item["_v"] == {"N": str(version + 1)}


def test_what_is_deleted_leaves_a_tombstone_and_comes_back_above_it(switched: Shop) -> None:
    masters = switched.masters(now=lambda: 1_764_419_400.5)

    def delete(items: ItemWriter) -> tuple[bool, bool, Any]:
        there = items.delete("counter", name="Visits")
        return there, items.delete("counter", name="Visits"), items.get("counter", name="Visits")

    masters.write("counter", rds=never, dynamodb=lambda items: items.put("counter", {"name": "Visits", "n": 1}))
    assert masters.write("counter", rds=never, dynamodb=delete) == (True, False, None)
    gone = switched.at("COUNTER", "visits")
    assert gone is not None and len(gone.pop("_w")["S"]) == 12
    first = EPOCH + 28_729_800_500
    assert gone == {
        "pk": {"S": "COUNTER"},
        "sk": {"S": "visits"},
        "_v": {"N": str(first + 1)},
        "_deleted": {"BOOL": True},
        "_at": {"N": "1764419400"},
        "_s": {"S": '{"name":"Visits"}'},
    }
    masters.write("counter", rds=never, dynamodb=lambda items: items.put("counter", {"name": "VISITS", "n": 5}))
    item = switched.at("COUNTER", "visits")
    assert item is not None and item["_v"] == {"N": str(first + 2)} and item["_s"] == {"S": '{"name":"VISITS"}'}
    assert "_deleted" not in item


def test_a_key_change_is_a_tombstone_and_a_newer_item(switched: Shop) -> None:
    masters = switched.masters()

    def move(items: ItemWriter) -> Any:
        items.put("order", ORDER)
        return items.move("order", lambda order: order | {"customer_id": 2}, customer_id=1, order_id=7)

    with pytest.raises(UsageError, match="call `move`"):
        masters.write(
            "order",
            rds=never,
            dynamodb=lambda items: (
                items.put("order", ORDER),
                items.update("order", lambda order: order | {"customer_id": 2}, customer_id=1, order_id=7),
            ),
        )
    masters.write("order", rds=never, dynamodb=lambda items: items.delete("order", customer_id=1, order_id=7))
    assert masters.write("order", rds=never, dynamodb=move)["pk"] == "CUSTOMER#2"
    old, new = switched.at("CUSTOMER#1", "ORDER#00007"), switched.at("CUSTOMER#2", "ORDER#00007")
    assert old is not None and new is not None
    assert old["_deleted"] == {"BOOL": True} and int(new["_v"]["N"]) == int(old["_v"]["N"]) + 1
    back = masters.write(
        "order",
        rds=never,
        dynamodb=lambda items: items.move("order", lambda o: o | {"customer_id": 1}, customer_id=2, order_id=7),
    )
    again = switched.at("CUSTOMER#1", "ORDER#00007")
    assert back["customer_id"] == 1 and again is not None
    assert int(again["_v"]["N"]) == int(new["_v"]["N"]) + 2


def test_what_comes_to_a_key_is_newer_than_the_tombstone_there(switched: Shop) -> None:
    masters = switched.masters(now=lambda: 1_764_419_400.5)

    def much(items: ItemWriter) -> None:
        items.put("order", ORDER | {"customer_id": 3})
        for _ in range(4):
            items.update("order", lambda order: order | {"note": "again"}, customer_id=3, order_id=7)
        items.delete("order", customer_id=3, order_id=7)
        items.put("order", ORDER)
        items.move("order", lambda order: order | {"customer_id": 3}, customer_id=1, order_id=7)

    masters.write("order", rds=never, dynamodb=much)
    item = switched.at("CUSTOMER#3", "ORDER#00007")
    assert item is not None and "_deleted" not in item
    assert item["_v"] == {"N": str(EPOCH + 28_729_800_500 + 6)}


def test_what_comes_back_to_a_key_that_it_left_is_newer_than_all_that_it_has_been_since(switched: Shop) -> None:
    """By a tombstone elsewhere; the one that is there is older."""
    clock = [1_764_419_400.0]
    masters = switched.masters(now=lambda: clock[0])

    def elsewhere(items: ItemWriter) -> None:
        items.put("order", ORDER)
        items.move("order", lambda order: order | {"customer_id": 3}, customer_id=1, order_id=7)
        for _ in range(4):
            items.update("order", lambda order: order | {"note": "again"}, customer_id=3, order_id=7)
        items.delete("order", customer_id=3, order_id=7)

    masters.write("order", rds=never, dynamodb=elsewhere)
    gone = switched.at("CUSTOMER#3", "ORDER#00007")
    clock[0] += 1.0
    masters.write("order", rds=never, dynamodb=lambda items: items.put("order", ORDER))
    item = switched.at("CUSTOMER#1", "ORDER#00007")
    assert gone is not None and item is not None and "_deleted" not in item
    assert int(item["_v"]["N"]) > int(gone["_v"]["N"])


def test_an_item_cannot_become_another_rows(switched: Shop) -> None:
    """The row that it was would stay in the source: no tombstone tells of it."""
    masters = switched.masters()
    masters.write("counter", rds=never, dynamodb=lambda items: items.put("counter", {"name": "Visits", "n": 1}))

    def put(items: ItemWriter) -> None:
        items.get("counter", name="Visits")
        items.put("counter", {"name": "VISITS", "n": 2})

    def update(items: ItemWriter) -> None:
        items.update("counter", lambda one: one | {"name": "VISITS"}, name="Visits")

    for change in (put, update):
        with pytest.raises(UsageError, match=r"^counter: .* would be another row's; delete it, then put the other$"):
            masters.write("counter", rds=never, dynamodb=change)
    item = switched.at("COUNTER", "visits")
    assert item is not None and item["_s"] == {"S": '{"name":"Visits"}'}


def test_what_was_read_as_absent_and_is_there_by_now_is_run_again(switched: Shop) -> None:
    calls = []

    def upsert(items: ItemWriter) -> str:
        order = items.get("order", customer_id=1, order_id=7)
        calls.append(order)
        if order is None:
            switched.masters().write("order", rds=never, dynamodb=lambda items: items.put("order", ORDER))
        return str(items.put("order", (order or ORDER) | {"status": "paid"})["status"])

    assert switched.masters().write("order", rds=never, dynamodb=upsert) == "paid"
    assert len(calls) == 2


def test_what_was_half_written_is_not_run_again(switched: Shop) -> None:
    calls = []

    def half(items: ItemWriter) -> None:
        calls.append(1)
        items.put("order", ORDER)
        order = items.get("order", customer_id=1, order_id=7)
        assert order is not None
        switched.masters().write(
            "order",
            rds=never,
            dynamodb=lambda items: items.update("order", lambda o: o | {"note": "x"}, customer_id=1, order_id=7),
        )
        items.put("order", order)

    with pytest.raises(ConflictError, match="changed since it was read"):
        switched.masters().write("order", rds=never, dynamodb=half)
    assert calls == [1]


def test_what_somebody_else_has_changed_is_not_written_over(switched: Shop) -> None:
    masters, other = switched.masters(), switched.masters()
    other.write("order", rds=never, dynamodb=lambda items: items.put("order", ORDER))
    calls: list[Any] = []

    def careless(items: ItemWriter) -> None:
        items.put("order", ORDER | {"status": "new"})

    def put_of_old(items: ItemWriter) -> str:
        order = items.get("order", customer_id=1, order_id=7)
        assert order is not None
        if not calls:
            other.write(
                "order",
                rds=never,
                dynamodb=lambda items: items.update("order", lambda o: o | {"note": "x"}, customer_id=1, order_id=7),
            )
        calls.append(order.get("note"))
        return str(items.put("order", order | {"status": "paid"}).get("note"))

    with pytest.raises(ItemExistsError):
        masters.write("order", rds=never, dynamodb=careless)
    assert masters.write("order", rds=never, dynamodb=put_of_old) == "x"
    assert calls == [None, "x"]
    with pytest.raises(NoItemError):
        masters.write(
            "order", rds=never, dynamodb=lambda items: items.update("order", lambda o: o, customer_id=1, order_id=8)
        )
    switched.client.put_item(TableName="app", Item={"pk": {"S": "CUSTOMER#1"}, "sk": {"S": "ORDER#00009"}})
    with pytest.raises(TargetError, match="none of Crossover's"):
        masters.write("order", rds=never, dynamodb=lambda items: items.put("order", ORDER | {"order_id": 9}))
    with pytest.raises(UsageError, match="no such attribute"):
        masters.write("order", rds=never, dynamodb=lambda items: items.put("order", ORDER | {"stauts": 9}))
    with pytest.raises(UsageError, match="none of the item types that this write may touch"):
        masters.write("order", rds=never, dynamodb=lambda items: items.get("counter", name="x"))


def test_a_transaction_is_carried_out_whole_or_not_at_all(switched: Shop) -> None:
    masters = switched.masters()

    def both(items: ItemWriter) -> None:
        with items.transaction() as together:
            together.put("order", ORDER)
            together.put("order", ORDER | {"order_id": 8})

    def half(items: ItemWriter) -> None:
        with items.transaction() as together:
            together.update("order", lambda order: order | {"status": "paid"}, customer_id=1, order_id=8)
            together.put("order", ORDER | {"order_id": 10})
            if len(tries) < 1:
                tries.append(1)
                switched.masters().write(
                    "order",
                    rds=never,
                    dynamodb=lambda items: items.update(
                        "order", lambda o: o | {"note": "n"}, customer_id=1, order_id=8
                    ),
                )
            elif len(tries) < 2:
                tries.append(2)
                raise RuntimeError("no more")

    tries: list[int] = []
    masters.write("order", rds=never, dynamodb=both)
    with pytest.raises(RuntimeError, match="no more"):
        masters.write("order", rds=never, dynamodb=half)
    eight = switched.at("CUSTOMER#1", "ORDER#00008")
    assert eight is not None and eight["status"] == {"S": "placed"} and switched.at("CUSTOMER#1", "ORDER#00010") is None
    masters.write("order", rds=never, dynamodb=half)
    eight = switched.at("CUSTOMER#1", "ORDER#00008")
    assert eight is not None and (eight["status"], eight["note"]) == ({"S": "paid"}, {"S": "n"})
    assert switched.at("CUSTOMER#1", "ORDER#00010") is not None


def test_a_write_that_the_guard_refuses_goes_to_the_new_master(shop: Shop) -> None:
    """Its process has known RDS as the master; the mirror follows after the guard."""
    with_control_table(shop)
    engine = create_engine(shop.url.replace("postgresql://", "postgresql+psycopg://"))
    calls: list[str] = []
    masters = shop.masters()

    def rds() -> str:
        calls.append("rds")
        with engine.begin() as connection:
            connection.execute(text(f"INSERT INTO orders VALUES ({len(calls)}, 1, 'placed')"))
        return "rds"

    def dynamodb(items: ItemWriter) -> str:
        items.put("order", ORDER)
        return "dynamodb"

    assert masters.write("order", rds=rds, dynamodb=dynamodb) == "rds"
    shop.say("rds_first", fenced=True)
    shop.guard()

    def switch() -> None:
        time.sleep(0.5)
        assert shop.all() == []
        shop.say("dynamodb_first")

    in_threads(switch, lambda: calls.append(masters.write("order", rds=rds, dynamodb=dynamodb)))
    assert calls == ["rds", "rds", "dynamodb"]
    assert shop.ask("SELECT order_id FROM orders") == [(1,)]
    engine.dispose()


def test_a_write_is_refused_in_the_end_where_no_store_takes_it(shop: Shop) -> None:
    with_control_table(shop)
    shop.guard()
    clock, calls = Clock(), []

    def rds() -> None:
        calls.append(1)
        with psycopg.connect(shop.url) as connection:
            connection.execute("INSERT INTO orders VALUES (1, 1, 'placed')")

    masters = shop.masters(clock=clock, sleep=clock.sleep, deadline_seconds=3)
    with pytest.raises(WriteFencedError, match="XV001"):
        masters.write("order", rds=rds, dynamodb=never)
    assert 3 < len(calls) < 400
    shop.say("dynamodb_first", fenced=True)
    with pytest.raises(WriteFencedError, match="a switch of group order is under way"):
        shop.masters(clock=clock, sleep=clock.sleep, deadline_seconds=3).write("order", rds=never, dynamodb=never)
    with pytest.raises(ZeroDivisionError):
        shop.masters().write("counter", rds=lambda: 1 // 0, dynamodb=never)


def test_nothing_is_sent_after_the_leases_end_without_asking_again(switched: Shop) -> None:
    clock = Clock()
    masters = switched.masters(clock=clock, sleep=clock.sleep)
    masters.write("order", rds=never, dynamodb=lambda items: items.put("order", ORDER))
    before = switched.all()

    def late(items: ItemWriter) -> str:
        order = items.get("order", customer_id=1, order_id=7)
        assert order is not None
        clock.now += 3.01  # a request may take 2 of the 5 seconds
        switched.say("dynamodb_first", fenced=True)
        clock.slept.append(lambda: switched.say("rds_first"))
        items.put("order", order | {"status": "paid"})
        return "dynamodb"

    assert masters.write("order", rds=lambda: "rds", dynamodb=late) == "rds"
    assert switched.all() == before and not clock.slept


def test_a_write_goes_on_after_the_leases_end_where_dynamodb_is_still_the_master(switched: Shop) -> None:
    clock = Clock()
    masters = switched.masters(clock=clock, sleep=clock.sleep)

    def late(items: ItemWriter) -> None:
        for number in range(4):
            items.put("order", ORDER | {"order_id": number})
            clock.now += 3.01

    masters.write("order", rds=never, dynamodb=late)
    assert len(switched.all()) == 4


def test_a_write_that_is_half_done_when_rds_becomes_the_master_is_told(switched: Shop) -> None:
    clock = Clock()
    masters = switched.masters(clock=clock, sleep=clock.sleep)

    def half(items: ItemWriter) -> None:
        items.put("order", ORDER)
        clock.now += 3.01
        switched.say("rds_first")
        items.put("order", ORDER | {"order_id": 8})

    with pytest.raises(WriteFencedError, match="1 of its items were written"):
        masters.write("order", rds=never, dynamodb=half)
    assert len(switched.all()) == 1


def test_while_the_control_table_is_away_rds_goes_on_and_dynamodb_does_not(switched: Shop) -> None:
    away = FaultProxy(str(os.environ["AWS_ENDPOINT_URL_DYNAMODB"]), lambda n, body: broken[0], actions=("Query",))
    broken: list[Any] = [None]
    with away.serving():
        client = boto3.client("dynamodb", endpoint_url=away.url)
        clock = Clock()
        masters = switched.masters(client, clock=clock, sleep=clock.sleep, deadline_seconds=8)
        switched.say("rds_first", "counter")
        masters.write("counter", rds=lambda: None, dynamodb=never)
        masters.write("order", rds=never, dynamodb=lambda items: None)
        broken[0] = Fault.ERROR_500
        clock.now += 100
        asked = away.requests
        for _ in range(10):
            assert masters.write("counter", rds=lambda: "rds", dynamodb=never) == "rds"
        assert away.requests == asked + 1  # the next one asks a lease later
        with pytest.raises(WriteFencedError, match="cannot be read"):
            masters.write("order", rds=never, dynamodb=never)
        broken[0] = None
        assert masters.write("order", rds=never, dynamodb=lambda items: "dynamodb") == "dynamodb"


def test_a_process_that_begins_while_the_control_table_is_away_writes_to_rds_which_guards_itself(shop: Shop) -> None:
    client = boto3.client("dynamodb", endpoint_url="http://127.0.0.1:9")
    assert shop.masters(client).write("order", rds=lambda: "rds", dynamodb=never) == "rds"


def test_it_does_not_take_rds_for_the_master_where_no_way_to_rds_was_given(switched: Shop) -> None:
    """Nobody would refuse it there: it waits until the control table has been read."""
    away = FaultProxy(str(os.environ["AWS_ENDPOINT_URL_DYNAMODB"]), lambda n, body: broken[0], actions=("Query",))
    broken: list[Any] = [Fault.ERROR_500]
    with away.serving():
        client = boto3.client("dynamodb", endpoint_url=away.url)
        clock = Clock()
        masters = switched.masters(client, clock=clock, sleep=clock.sleep, deadline_seconds=8)
        with pytest.raises(WriteFencedError, match=r"which store is the master of .* cannot be read"):
            masters.write("order", rds=None, dynamodb=never)

        def mend() -> None:
            broken[0] = None

        clock.slept = [mend]
        assert masters.write("order", rds=None, dynamodb=lambda items: "dynamodb") == "dynamodb"
        switched.say("rds_first")
        clock.now += 100
        with pytest.raises(UsageError, match="order: RDS is its master"):
            masters.write("order", rds=None, dynamodb=never)


def increments(masters: Masters, times: int) -> tuple[int, int]:
    """How many came through, and of how many nobody knows."""

    def more(counter: dict[str, Any]) -> dict[str, Any]:
        return counter | {"n": counter["n"] + 1}

    done = unknown = 0
    for _ in range(times):
        try:
            masters.write("counter", rds=never, dynamodb=lambda items: items.update("counter", more, name="hits"))
            done += 1
        except UnknownWriteError:
            unknown += 1
    return done, unknown


def test_no_increment_is_lost_among_eight_threads(switched: Shop) -> None:
    masters = switched.masters()
    masters.write("counter", rds=never, dynamodb=lambda items: items.put("counter", {"name": "hits", "n": 0}))
    in_threads(*[lambda: increments(masters, 10)] * 8)
    item = switched.at("COUNTER", "hits")
    assert item is not None and item["n"] == {"N": "80"}
    assert len(item["_w"]["S"]) == 16 * 6


LOST = [Fault.RESET_AFTER]
LOST_IN_TORTURE = [Fault.LATE, Fault.ERROR_500_AFTER, Fault.DOUBLED, Fault.TRUNCATED, Fault.RESET_BEFORE]


@pytest.mark.parametrize("fault", LOST + (LOST_IN_TORTURE if TORTURE else []))
def test_a_write_whose_answer_is_lost_is_carried_out_once(switched: Shop, fault: Fault) -> None:
    dice = random.Random(fault.name)
    proxy = FaultProxy(
        str(os.environ["AWS_ENDPOINT_URL_DYNAMODB"]),
        lambda number, body: fault if dice.random() < 0.4 else None,
        slow_seconds=0.15,
        actions=("PutItem", "TransactWriteItems"),
    )
    switched.masters().write(
        "counter", rds=never, dynamodb=lambda items: items.put("counter", {"name": "hits", "n": 0})
    )

    def onward(order: dict[str, Any]) -> dict[str, Any]:
        return order | {"customer_id": order["customer_id"] + 1}

    with proxy.serving():
        masters = switched.masters(boto3.client("dynamodb", endpoint_url=proxy.url))
        counts: list[tuple[int, int]] = []
        in_threads(*[lambda: counts.append(increments(masters, 5))] * 3)
        masters.write("order", rds=never, dynamodb=lambda items: items.put("order", ORDER))
        for customer in range(1, 6):
            key = {"customer_id": customer, "order_id": 7}
            masters.write("order", rds=never, dynamodb=methodcaller("move", "order", onward, key))
    assert proxy.met[fault.name] > 3
    done, unknown = (sum(column) for column in zip(*counts, strict=True))
    item = switched.at("COUNTER", "hits")
    assert item is not None and done <= int(item["n"]["N"]) <= done + unknown and unknown == 0
    live = [item["pk"]["S"] for item in switched.all() if "_deleted" not in item and item["pk"]["S"] != "COUNTER"]
    assert live == ["CUSTOMER#6"]


def test_coroutines_write_as_threads_do(switched: Shop) -> None:
    masters, calls = switched.masters(), [0]

    async def rds() -> str:
        calls[0] += 1
        async with await psycopg.AsyncConnection.connect(switched.url) as connection:
            await connection.execute("INSERT INTO orders VALUES (1, 1, 'placed')")
        return "rds"

    async def dynamodb(items: AsyncItemWriter) -> str:
        await items.put("order", ORDER)
        async with items.transaction() as together:
            await together.update("order", lambda order: order | {"status": "paid"}, customer_id=1, order_id=7)
            await together.put("order", ORDER | {"order_id": 8})
        await items.move("order", lambda order: order | {"customer_id": 2}, customer_id=1, order_id=8)
        order = await items.get("order", customer_id=1, order_id=7)
        assert order is not None and await items.delete("order", customer_id=1, order_id=7)
        return str(order["status"])

    async def count(items: AsyncItemWriter) -> None:
        await items.update("counter", lambda counter: counter | {"n": counter["n"] + 1}, name="hits")

    async def both() -> str:
        switched.say("rds_first")
        waiting = asyncio.ensure_future(masters.write_async("order", rds=rds, dynamodb=dynamodb))
        while calls[0] < 2:
            await asyncio.sleep(0.01)
        switched.say("dynamodb_first")
        await asyncio.gather(*[masters.write_async("counter", rds=never, dynamodb=count) for _ in range(12)])
        return await waiting

    masters.write("counter", rds=never, dynamodb=lambda items: items.put("counter", {"name": "hits", "n": 0}))
    switched.say("rds_first")
    masters.close()
    masters = switched.masters()
    assert asyncio.run(both()) == "paid"
    item = switched.at("COUNTER", "hits")
    assert item is not None and item["n"] == {"N": "12"}
    masters.close()


def test_a_forked_process_has_its_own_connections(switched: Shop) -> None:
    masters = switched.masters()
    masters.write("counter", rds=never, dynamodb=lambda items: items.put("counter", {"name": "hits", "n": 0}))
    before = masters._process()

    def child() -> None:
        assert masters._process() is not before
        increments(masters, 5)

    children = [multiprocessing.get_context("fork").Process(target=child) for _ in range(2)]
    for one in children:
        one.start()
    increments(masters, 5)
    for one in children:
        one.join(30)
    assert [one.exitcode for one in children] == [0, 0]
    item = switched.at("COUNTER", "hits")
    assert item is not None and item["n"] == {"N": "15"}


LEASE = 2.5


def test_no_write_is_accepted_by_both_stores_while_two_processes_are_switched_there_and_back(shop: Shop) -> None:
    with_control_table(shop)
    shop.say("rds_first")
    fork = multiprocessing.get_context("fork")
    processes = [
        fork.Process(target=write_on, args=(str(shop.folder), shop.url, f"p{n}", range(n, 10**6, 2), LEASE))
        for n in range(2)
    ]

    def orders() -> set[int]:
        return {int(row[0]) for row in shop.ask("SELECT order_id FROM orders")}

    def items() -> set[int]:
        return {int(item["order_id"]["N"]) for item in shop.all()}

    def until(met: Any) -> None:
        ends = time.monotonic() + 20
        while not met():
            assert time.monotonic() < ends
            time.sleep(0.02)

    for process in processes:
        process.start()
    try:
        until(lambda: {row[0] for row in shop.ask("SELECT DISTINCT status FROM orders")} == {"p0", "p1"})
        shop.say("rds_first", fenced=True)
        shop.guard()
        in_rds = orders()
        shop.say("dynamodb_first")
        until(lambda: {item["status"]["S"] for item in shop.all()} == {"p0", "p1"} and len(items()) > 10)
        assert orders() == in_rds
        shop.say("dynamodb_first", fenced=True)
        time.sleep(LEASE)
        in_dynamodb = items()
        shop.say("rds_first")
        shop.unguard()
        until(lambda: len(orders()) > len(in_rds) + 10)
    finally:
        (shop.folder / "stop").touch()
        for process in processes:
            process.join(40)
    assert [process.exitcode for process in processes] == [0, 0]
    assert items() == in_dynamodb and not items() & orders()
    done = {int(line) for file in shop.folder.glob("done.*") for line in file.read_text().split()}
    assert items() | orders() == done


def test_every_item_of_the_example_shop_is_formed_as_it_was_assembled(database_url: str) -> None:
    """Given as `Items` shows it; and again without what is made of its own columns."""
    mapping = load_mapping(Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml")
    load(database_url, 0.01)
    met: set[str] = set()
    with connect(database_url) as connection:
        plan = compile_mapping(mapping, read_catalog(connection, tables_used(mapping)))
        for item in plan.items:
            form = ItemForm(item, mapping.items[item.name])
            names = ", ".join(f"{name}::text" for name in item.source_key)
            found = connection.execute(f"SELECT {names} FROM {item.root.table.ref}".encode()).fetchall()
            keys = [dict(zip(item.source_key, map(str, row), strict=True)) for row in found]
            for one in read_items(connection, item, keys):
                if not isinstance(one.outcome, Assembled):
                    continue
                given = shown(json.loads(one.outcome.item), on_wire=True)
                bare = {name: value for name, value in given.items() if name not in MADE}
                for version in (given, bare):
                    formed = form.formed(version, {})
                    assert (formed.key, formed.item) == (one.outcome.key, one.outcome.item)
                met.add(item.name)
    assert met == {"customer", "order", "product", "catalog_entry", "review", "category"}
