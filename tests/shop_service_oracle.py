"""What examples/shop_service holds in either store, read by psycopg and boto3 alone, without the engine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import boto3
import psycopg
from boto3.dynamodb.types import TypeDeserializer
from psycopg.rows import dict_row

TABLE = "shop-service"
OWN = {"_v", "_s", "_w", "_deleted", "_at"}
EQUAL_SECONDS = 90.0

Item = dict[str, Any]
Store = dict[tuple[str, str], Item]


def of_rds(url: str) -> Store:
    """The items that the rows should be."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        customers = _rows(connection, "SELECT * FROM customers")
        addresses = _rows(connection, "SELECT * FROM addresses ORDER BY customer_id, address_no")
        products = _rows(connection, "SELECT * FROM products")
        orders = _rows(connection, "SELECT * FROM orders")
        lines = _rows(connection, "SELECT * FROM order_lines ORDER BY order_id, line_no")
    names = {one["customer_id"]: one["name"] for one in customers}
    goods = {one["product_id"]: one["name"] for one in products}
    store: Store = {}
    for one in customers:
        own = [_without(each, "customer_id") for each in addresses if each["customer_id"] == one["customer_id"]]
        store[f"CUSTOMER#{one['customer_id']}", "PROFILE"] = {**one, "addresses": own}
    by_order: dict[int, list[Item]] = {one["order_id"]: [] for one in orders}
    for line in lines:
        by_order[line["order_id"]].append(
            {**_without(line, "order_id"), "product": {"name": goods[line["product_id"]]}}
        )
    for one in orders:
        item = {**one, "customer": {"name": names[one["customer_id"]]}, "lines": by_order[one["order_id"]]}
        store[f"CUSTOMER#{one['customer_id']}", f"ORDER#{one['order_id']:020}"] = item
    for one in products:
        store[f"PRODUCT#{one['product_id']}", "DETAILS"] = one
    return {key: _plain(item) for key, item in store.items()}


def of_dynamodb() -> Store:
    """The items that are there; those that were deleted have left a tombstone, which is none."""
    client, read = boto3.client("dynamodb"), TypeDeserializer().deserialize
    store: Store = {}
    for page in client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True):
        for wire in page["Items"]:
            if "_deleted" in wire:
                continue
            item = {name: read(value) for name, value in wire.items() if name not in OWN}
            store[item.pop("pk"), item.pop("sk")] = item
    return store


def differing(one: Store, other: Store) -> dict[tuple[str, str], tuple[Item | None, Item | None]]:
    return {key: (one.get(key), other.get(key)) for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def assert_equal(url: str, seconds: float = EQUAL_SECONDS) -> Store:
    """Nobody may write meanwhile; what is on its way arrives within so long."""
    deadline = time.monotonic() + seconds
    while True:
        rds, dynamodb = of_rds(url), of_dynamodb()
        different = differing(rds, dynamodb)
        if not different:
            assert rds
            return rds
        assert time.monotonic() < deadline, dict(sorted(different.items())[:3])
        time.sleep(0.2)


@dataclass(frozen=True)
class Books:
    """What has to hold of a store, whichever: pieces that are sold are gone from the stock."""

    stock: int
    sold: int

    @classmethod
    def of(cls, store: Store) -> Books:
        products = [item for (pk, _), item in store.items() if pk.startswith("PRODUCT#")]
        lines = [line for (_, sk), item in store.items() if sk.startswith("ORDER#") for line in item["lines"]]
        return cls(sum(int(one["stock"]) for one in products), sum(int(one["quantity"]) for one in lines))


def _rows(connection: psycopg.Connection[dict[str, Any]], query: str) -> list[Item]:
    return connection.execute(query.encode()).fetchall()


def _without(row: Item, column: str) -> Item:
    return {name: value for name, value in row.items() if name != column}


def _plain(value: Any) -> Any:
    """As an item has it: no NULL, numbers as Decimal, times as text."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return value if isinstance(value, str) else f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
