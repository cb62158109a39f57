"""An application whose master DynamoDB is: it writes the shop of `tests.reversed_shop` by the rules of the protocol,
with nothing of the engine; and what the source must hold for its items, in plain Python and SQL."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

import boto3
import psycopg

from tests.fake_streams import FakeStreams
from tests.reversed_shop import TABLE, customer_item, order_item, product_item, source_key, voucher_item

Item = dict[str, Any]
Key = tuple[str, str]

FIRST = 2**40
"""Of the first epoch."""
_COUNTED_FROM = 1_767_225_600
"""2026 began."""
CUSTOMERS, ORDERS, PRODUCTS = range(1, 9), range(1, 25), ("A", "B", "C", "D")
CODES = ("spring", "Spring", "SPRING", "fall")
"""Rows of three of them share one key."""


class Master:
    """For one thread. `items`: what is in the table, tombstones included. `streams`: what is to tell of it, None where
    the endpoint does that itself. `written`: how many versions."""

    def __init__(self, seed: int, streams: FakeStreams | None) -> None:
        self._dice = random.Random(f"master {seed}")
        self._client = boto3.client("dynamodb")
        self._streams = streams
        pages = self._client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
        self.items: dict[Key, Item] = {_key(item): item for page in pages for item in page["Items"]}
        self.written = 0
        self._number = 0

    def transaction(self) -> None:
        """Something that the application does."""
        self._number += 1
        do = self._dice.choices(
            (self._customer, self._no_customer, self._order, self._move, self._no_order, self._product, self._voucher),
            (3, 1, 5, 3, 1, 2, 2),
        )[0]
        do()

    def _customer(self) -> None:
        number = self._dice.choice(CUSTOMERS)
        email = f"c{number}.{self._number}@example.com" if self._dice.random() < 0.5 else None
        streets = [f"Street {self._number}.{no}" for no in range(self._dice.randint(0, 3))]
        name = f"Name {self._number}"
        self._put(customer_item(number, name, email, streets))
        for item in self._live("order"):  # copies are the application's own affair
            if item["customer_id"]["N"] == str(number):
                self._put({**item, "customer": {"M": {"name": {"S": name}}}})

    def _no_customer(self) -> None:
        used = {item["customer_id"]["N"] for item in self._live("order")}
        free = [item for item in self._live("customer") if item["customer_id"]["N"] not in used]
        if free:
            self._delete(self._dice.choice(free))

    def _order(self) -> None:
        live = {int(item["order_no"]["N"]): item for item in self._live("order")}
        number = self._dice.choice(ORDERS)
        if number in live:
            customer = int(live[number]["customer_id"]["N"])
        else:
            found = [int(item["customer_id"]["N"]) for item in self._live("customer")]
            customer = self._dice.choice(found or [0])
        if customer:
            self._put(self._order_of(number, customer))

    def _move(self) -> None:
        """To another customer: the old key's tombstone and the new item, in one transaction of DynamoDB's."""
        orders, customers = self._live("order"), self._live("customer")
        if not orders or not customers:
            return
        old = self._dice.choice(orders)
        customer = int(self._dice.choice(customers)["customer_id"]["N"])
        new = self._order_of(int(old["order_no"]["N"]), customer)
        if _key(new) == _key(old):
            return
        at = self.items.get(_key(new))
        version = max(_version(old) + 2, 0 if at is None else _version(at) + 1)
        several = [self._tombstone(old), {**new, "_v": {"N": str(version)}}]
        self._dice.shuffle(several)
        for item in several:
            self._write(item)

    def _no_order(self) -> None:
        orders = self._live("order")
        if orders:
            self._delete(self._dice.choice(orders))

    def _product(self) -> None:
        sku = self._dice.choice(PRODUCTS)
        item = product_item(sku, f"Product {self._number}", str(self._dice.randint(1, 99)), self._number)
        before = self.items.get(_key(item))
        if before is not None and "_deleted" not in before and self._dice.random() < 0.3:
            self._delete(before)
        else:
            self._put(item)

    def _voucher(self) -> None:
        """A key can be another row's than it was; the row that had it is to leave it first."""
        code = self._dice.choice(CODES)
        item = {**voucher_item(code, self._dice.randint(1, 90)), "_s": {"S": source_key(code=code)}}
        before = self.items.get(_key(item))
        if before is not None and "_deleted" not in before and (before["_s"] != item["_s"] or self._number % 3 == 0):
            self._delete(before)
            if before["_s"] == item["_s"]:
                return
        self._put(item)

    def _order_of(self, number: int, customer: int) -> Item:
        name = self.items[(f"CUSTOMER#{customer}", "PROFILE")]["name"]["S"]
        numbers = self._dice.sample(range(1, 6), self._dice.randint(0, 4))
        lines = [
            (no, at, self._dice.choice(PRODUCTS), self._dice.randint(1, 9)) for at, no in enumerate(sorted(numbers))
        ]
        note = None if self._dice.random() < 0.5 else f"note {self._number}"
        return order_item(number, customer, name, lines, status=f"s{self._number}", note=note, total="12.5")

    def _live(self, kind: str) -> list[Item]:
        """In an order that the seed alone decides."""
        found = [self.items[key] for key in sorted(self.items)]
        return [item for item in found if "_deleted" not in item and _kind(item) == kind]

    def _put(self, item: Item) -> None:
        at = self.items.get(_key(item))
        version = 0 if at is None else _version(at) + 1
        if at is None or "_deleted" in at:
            version = max(version, _first_version())
        self._write({**item, "_v": {"N": str(version)}})

    def _delete(self, item: Item) -> None:
        self._write(self._tombstone(item))

    def _tombstone(self, item: Item) -> Item:
        kept: Item = {name: item[name] for name in ("pk", "sk", "_s") if name in item}
        return {**kept, "_v": {"N": str(_version(item) + 1)}, "_deleted": {"BOOL": True}}

    def _write(self, item: Item) -> None:
        before = self.items.get(_key(item))
        self._client.put_item(TableName=TABLE, Item=item)
        self.items[_key(item)] = item
        self.written += 1
        if self._streams is not None:
            self._streams.put(TABLE, {name: item[name] for name in ("pk", "sk")}, before, item)


def _key(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _version(item: Item) -> int:
    return int(item["_v"]["N"])


def _first_version() -> int:
    """Where no item is: above all that the row can have had at other keys before."""
    return FIRST + int((time.time() - _COUNTED_FROM) * 1000)


def _kind(item: Item) -> str:
    sort = item["sk"]["S"]
    return {"PROFILE": "customer", "PRODUCT": "product", "VOUCHER": "voucher"}.get(sort, "order")


Rows = dict[str, list[tuple[Any, ...]]]

_QUERIES = {
    "customers": "SELECT customer_id::text, name, email FROM customers",
    "addresses": "SELECT customer_id::text, address_no::text, street FROM addresses",
    "orders": "SELECT shop_id::text, order_no::text, customer_id::text, status, trim_scale(total)::text, note"
    " FROM orders",
    "lines": "SELECT order_no::text, line_no::text, position::text, sku, quantity::text FROM lines",
    "products": "SELECT sku, name, trim_scale(price)::text, stock::text FROM products",
    "vouchers": "SELECT code, percent::text FROM vouchers",
}


def source_rows(url: str) -> Rows:
    """What the source holds."""
    with psycopg.connect(url) as connection:
        return {table: sorted(connection.execute(query.encode()), key=repr) for table, query in _QUERIES.items()}


def expected_rows(items: Mapping[Key, Item]) -> Rows:
    """What it must hold for these items."""
    rows: Rows = {table: [] for table in _QUERIES}
    for item in items.values():
        if "_deleted" in item:
            continue
        match _kind(item):
            case "customer":
                number = item["customer_id"]["N"]
                rows["customers"].append((number, item["name"]["S"], item.get("email", {}).get("S")))
                for one in item["addresses"]["L"]:
                    rows["addresses"].append((number, one["M"]["address_no"]["N"], one["M"]["street"]["S"]))
            case "order":
                number = item["order_no"]["N"]
                optional = item.get("total", {}).get("N"), item.get("note", {}).get("S")
                named = item["shop_id"]["N"], number, item["customer_id"]["N"], item["status"]["S"]
                rows["orders"].append((*named, *optional))
                for line in item["lines"]["L"]:
                    one = line["M"]
                    told = one["line_no"]["N"], one["position"]["N"], one["sku"]["S"], one["quantity"]["N"]
                    rows["lines"].append((number, *told))
            case "product":
                told = item["sku"]["S"], item["name"]["S"], item["price"]["N"], item["stock"]["N"]
                rows["products"].append(told)
            case "voucher":
                rows["vouchers"].append((item["code"]["S"], item["percent"]["N"]))
    return {table: sorted(found, key=repr) for table, found in rows.items()}
