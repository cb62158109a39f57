"""A captured database, DynamoDB tables, and relays between them; what both hold, read without the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

import boto3
import psycopg

from pipelines.deliver.deliverer import LEASE_SECONDS, Deliverer
from pipelines.deliver.drain import Drain, Drained
from pipelines.deliver.opened import opened_deliverer, opened_ledger
from pipelines.deliver.reading import read
from pipelines.deliver.sweep import Swept, sweep
from pipelines.deliver.writes import writes
from pipelines.progress import Progress
from pipelines.source.ledger.mark_delivered import MOST_TRIES
from pipelines.source.ledger.session import LedgerSession
from pipelines.tables import create_tables
from pipelines.target.chain_write import ChainWriter
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.conditional_write import Answered
from pipelines.target.scan import Scanner
from pipelines.target.tombstones import Tombstones
from pipelines.target.wire import Wire
from tests.captured_shop import Captured

EPOCH = 2**40
LEASES_END = "UPDATE crossover.item SET lease_until = NULL"

SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY, customer int, note text, draft bool NOT NULL DEFAULT false);
CREATE TABLE lines (order_id int REFERENCES orders ON DELETE CASCADE, n int, product int, PRIMARY KEY (order_id, n));
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE seats (id int PRIMARY KEY, place text, guest text);
"""

WRITTEN_SHOP = SCHEMA.replace("ON DELETE CASCADE", "ON DELETE CASCADE ON UPDATE CASCADE").replace(
    "place text", "place text UNIQUE DEFERRABLE"
)
"""For `tests.shop_writer`: a seat has one guest at a time, and guests can swap seats in one statement."""

MAPPING = """
migration: small
target:
  tables:
    orders: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}
    seats: {partition_key: {name: pk, type: S}}
items:
  order:
    table: orders
    from: orders
    where: "draft = false"
    key: {pk: "C{customer}", sk: "O{id}"}
    embed:
      lines:
        from: lines
        on: {order_id: id}
        as: list
        exclude: [order_id]
        embed: {what: {from: products, on: {id: product}, as: map}}
  seat: {table: seats, from: seats, key: {pk: "{place}"}}
"""
"""An order's key names its row. A seat's does not: it can be another guest's over time."""


@dataclass(frozen=True)
class Delivering:
    shop: Captured

    def run(self, *statements: str) -> None:
        self.shop.run(*statements)

    @contextmanager
    def deliverer(self, lease_seconds: float = LEASE_SECONDS) -> Iterator[Deliverer]:
        with (
            opened_ledger(self.shop.migration, self.shop.url) as ledger,
            opened_deliverer(self.shop.migration, ledger, lease_seconds) as deliverer,
        ):
            yield deliverer

    @contextmanager
    def session(self) -> Iterator[LedgerSession]:
        with opened_ledger(self.shop.migration, self.shop.url) as ledger:
            yield ledger.session

    def drain(self, lease_seconds: float = LEASE_SECONDS, most_tries: int = MOST_TRIES) -> Drained:
        with self.deliverer(lease_seconds) as deliverer:
            types = [item.name for item in deliverer.plan.items]
            return Drain(deliverer, types, Progress("relay", None, "items"), most_tries, _briefly).run()

    def item(self, item_type: str, id: int) -> tuple[Any, ...]:
        """base, delivered, keys, attempts, last_error, leased."""
        (row,) = self.shop.ask(
            "SELECT base, delivered, keys, attempts, last_error, lease_until > now() FROM crossover.item"
            f" WHERE item_type = '{item_type}' AND source_key = '{source_key(id)}'"
        )
        return tuple(row)


def held_back(shop: Delivering, item_type: str, *ids: int) -> Callable[[], list[Answered]]:
    """The writes that a relay would send now; called, they are sent."""
    with shop.deliverer() as deliverer:
        item = deliverer.plan.item(item_type)
        readings = read(deliverer.session, item, [source_key(id) for id in ids])
    wanted = [one.write for reading in readings for one in writes(item, reading)]

    def send() -> list[Answered]:
        with Wire(Address.of(dynamodb_client()), 1) as wire, ChainWriter(wire) as writer:
            answers = writer.write([[write] for write in wanted], time.monotonic() + 60)
        return [answered for one in answers for answered in one]

    return send


def swept(shop: Delivering, wait_seconds: float = -1.0) -> Swept:
    """Below zero: tombstones of this moment, too."""
    keys = {"orders": ("pk", "sk"), "seats": ("pk",)}
    with (
        shop.session() as session,
        Wire(Address.of(dynamodb_client()), 1) as wire,
        Progress("sweep", None, "items") as progress,
    ):
        return sweep(session, keys, Scanner(wire), Tombstones(wire), progress, wait_seconds)


def _briefly(seconds: float) -> None:
    time.sleep(min(seconds, 0.02))


def source_key(id: int) -> str:
    return f'{{"id":"{id}"}}'


def stored(table: str) -> dict[str, dict[str, Any]]:
    """Everything in the table, by its key's values."""
    client = boto3.client("dynamodb")
    items: list[dict[str, Any]] = []
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        items += page["Items"]
    return {"/".join(item[name]["S"] for name in ("pk", "sk") if name in item): item for item in items}


def live(table: str) -> dict[str, dict[str, Any]]:
    """Items that are no tombstones, without Crossover's attributes."""
    return {
        key: {name: value for name, value in item.items() if not name.startswith("_")}
        for key, item in stored(table).items()
        if "_deleted" not in item
    }


def versions(table: str) -> dict[str, int]:
    """Below zero for a tombstone."""
    return {key: int(item["_v"]["N"]) * (-1 if "_deleted" in item else 1) for key, item in stored(table).items()}


Items = dict[str, dict[str, dict[str, Any]]]
"""By table and by the values of the key."""


def expected(url: str) -> Items:
    """What DynamoDB must hold, by SQL and by hand."""
    with psycopg.connect(url) as connection:
        orders = connection.execute("SELECT id, customer, note FROM orders WHERE NOT draft AND customer IS NOT NULL")
        lines = connection.execute(
            "SELECT l.order_id, l.n, l.product, p.id, p.name FROM lines l LEFT JOIN products p ON p.id = l.product"
            " ORDER BY l.order_id, l.n"
        ).fetchall()
        lines_of = {id: [{"M": _line(*line[1:])} for line in own] for id, own in groupby(lines, itemgetter(0))}
        seats = connection.execute("SELECT id, place, guest FROM seats WHERE place <> ''").fetchall()
        return {
            "orders": {
                f"C{customer}/O{id}": {
                    "pk": {"S": f"C{customer}"},
                    "sk": {"S": f"O{id}"},
                    "id": {"N": str(id)},
                    "customer": {"N": str(customer)},
                    "draft": {"BOOL": False},
                    **({} if note is None else {"note": {"S": note}}),
                    "lines": {"L": lines_of.get(id, [])},
                }
                for id, customer, note in orders
            },
            "seats": {
                place: {
                    "pk": {"S": place},
                    "id": {"N": str(id)},
                    "place": {"S": place},
                    **({} if guest is None else {"guest": {"S": guest}}),
                }
                for id, place, guest in seats
            },
        }


def _line(n: int, product: int | None, found: int | None, name: str | None) -> dict[str, Any]:
    line: dict[str, Any] = {"n": {"N": str(n)}}
    if product is not None:
        line["product"] = {"N": str(product)}
    if found is not None:
        line["what"] = {"M": {"id": {"N": str(found)}, **({} if name is None else {"name": {"S": name}})}}
    return line


def all_live() -> Items:
    return {table: live(table) for table in ("orders", "seats")}


def assert_equal_stores(shop: Delivering) -> None:
    assert all_live() == expected(shop.shop.url)


def assert_versions_are_the_ledgers(shop: Delivering) -> None:
    """Everything is delivered, at the version that the ledger says; no key is still to be left. An item that the ledger
    has not heard of is as the backfill has put it, at the epoch's first version."""
    rows = shop.shop.ask(
        "SELECT item_type || source_key, (1::bigint << 40) + base, delivered, keys FROM crossover.item"
    )
    assert [row for row in rows if row[1] != row[2] or row[3] != []] == []
    assert shop.shop.ask("SELECT FROM crossover.log UNION ALL SELECT FROM crossover.mark") == []
    ledger = {key: version for key, version, _, _ in rows}
    for item_type, table in (("order", "orders"), ("seat", "seats")):
        for item in stored(table).values():
            if "_deleted" not in item:
                key = item_type + source_key(int(item["id"]["N"]))
                assert int(item["_v"]["N"]) == ledger.get(key, EPOCH), key


def assert_due_as_defined(shop: Delivering) -> None:
    """A relay finds by `due` exactly what is undelivered by definition; log rows make their items due when they are
    folded."""
    wrong = shop.shop.ask(
        "SELECT i.item_type, i.source_key, i.due, i.since FROM crossover.item i, crossover.control c"
        " WHERE (coalesce(i.delivered, -1) < (c.epoch << 40) + i.base) <> (i.due IS NOT NULL)"
        " OR (i.due IS NULL) <> (i.since IS NULL)"
    )
    assert wrong == []


def assert_no_step_back(written: list[dict[str, Any]]) -> None:
    """`written`: items and tombstones in the order of writing. At each key the version only grows, so that nothing
    newer was overwritten and nothing that was deleted came back."""
    at: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}
    for place, item in enumerate(written):
        key = item["pk"]["S"], item.get("sk", {}).get("S", "")
        at.setdefault(key, []).append((place, item))
    back = {
        key: items
        for key, items in at.items()
        if any(int(a["_v"]["N"]) >= int(b["_v"]["N"]) for (_, a), (_, b) in pairwise(items))
    }
    assert back == {}, f"{len(back)} of {len(at)} keys, {len(written)} writes; the first: {next(iter(back.items()))}"


def put(table: str, item: dict[str, Any]) -> None:
    """Unconditionally, as whoever knows nothing of the protocol does."""
    boto3.client("dynamodb").put_item(TableName=table, Item=item)


def tables(shop: Captured) -> Delivering:
    create_tables(shop.migration.mapping, dynamodb_client())
    return Delivering(shop)


def between(monkeypatch: Any, target: str, name: str, before: Callable[[], object]) -> None:
    """Once, right before the named function is called."""
    import importlib

    module = importlib.import_module(target)
    real = getattr(module, name)
    done: list[bool] = []

    def called(*arguments: Any, **named: Any) -> Any:
        if not done:
            done.append(True)
            before()
        return real(*arguments, **named)

    monkeypatch.setattr(module, name, called)
