"""A small shop that can be written back: every item tells its rows. With composite keys, foreign keys, a generated
column, an identity column, and columns that the mapping leaves out; its items written out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.captured_shop import Captured, captured

SCHEMA = """
CREATE TABLE customers (
    customer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text UNIQUE,
    initial text GENERATED ALWAYS AS (substr(name, 1, 1)) STORED, secret text NOT NULL DEFAULT 'none'
);
CREATE TABLE addresses (
    customer_id bigint REFERENCES customers, address_no int, street text NOT NULL, PRIMARY KEY (customer_id, address_no)
);
CREATE TABLE orders (
    shop_id int, order_no int, customer_id bigint NOT NULL REFERENCES customers, status text NOT NULL,
    total numeric(12, 2), placed_at timestamptz NOT NULL, note text, clerk text NOT NULL DEFAULT 'nobody',
    PRIMARY KEY (shop_id, order_no)
);
CREATE TABLE lines (
    shop_id int, order_no int, line_no int, position int NOT NULL, sku text NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0), packed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (shop_id, order_no, line_no), UNIQUE (shop_id, order_no, position),
    FOREIGN KEY (shop_id, order_no) REFERENCES orders
);
CREATE TABLE products (sku text PRIMARY KEY, name text, price numeric, stock int);
CREATE TABLE vouchers (code text PRIMARY KEY, percent int NOT NULL, customer_id bigint);
"""

MAPPING = """
migration: reversed
target:
  tables: {reversed: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}}
items:
  customer:
    table: reversed
    from: customers
    key: {pk: "CUSTOMER#{customer_id}", sk: "PROFILE"}
    exclude: [secret]
    embed:
      addresses:
        {from: addresses, on: {customer_id: customer_id}, as: list, order_by: [address_no], exclude: [customer_id]}
  order:
    table: reversed
    from: orders
    key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{shop_id}#{order_no}"}
    exclude: [clerk]
    embed:
      lines:
        from: lines
        on: {shop_id: shop_id, order_no: order_no}
        as: list
        order_by: [line_no]
        exclude: [shop_id, order_no, packed]
      customer: {from: customers, on: {customer_id: customer_id}, as: map, include: [name]}
  product:
    table: reversed
    from: products
    key: {pk: "PRODUCT#{sku}", sk: "PRODUCT"}
  voucher:
    table: reversed
    from: vouchers
    key: {pk: "VOUCHER#{code:upper}", sk: "VOUCHER"}
"""
"""The groups: `customer+order`, `product`, `voucher`. A voucher's key does not name its row: it bears `_s`."""

TABLE = "reversed"
GROUPS = {"customer+order": ("customer", "order"), "product": ("product",), "voucher": ("voucher",)}

ROWS = (
    "INSERT INTO customers (customer_id, name, email, secret) OVERRIDING SYSTEM VALUE VALUES"
    " (1, 'Ann', 'ann@example.com', 's1'), (2, 'Bob', NULL, 's2')",
    "INSERT INTO addresses VALUES (1, 1, 'High Street'), (1, 2, 'Low Street')",
    "INSERT INTO orders VALUES (1, 1, 1, 'placed', 12.50, '2026-11-01 10:00:00+00', NULL, 'Cleo'),"
    " (1, 2, 2, 'shipped', NULL, '2026-11-02 10:00:00+00', 'leave at door', 'Dan')",
    "INSERT INTO lines VALUES (1, 1, 1, 1, 'A', 2, true), (1, 1, 2, 2, 'B', 1, true), (1, 2, 1, 1, 'A', 5, false)",
    "INSERT INTO products VALUES ('A', 'Apple', 1.50, 10), ('B', 'Bread', 2, 0)",
    "INSERT INTO vouchers VALUES ('spring', 10, 1)",
)
"""Two customers, with an order each, two products, a voucher; columns outside of the mapping are filled."""


def reversed_shop(url: str, folder: Path, rows: Sequence[str] = ROWS) -> Captured:
    """In an empty database, with capture installed; the ledger has heard of nothing. RDS is the master."""
    shop = captured(url, folder, SCHEMA, MAPPING)
    shop.run(*rows)
    shop.forget()
    return shop


def refill(shop: Captured, rows: Sequence[str] = ROWS) -> None:
    """As `reversed_shop` leaves it."""
    tables = "lines, orders, addresses, customers, products, vouchers"
    shop.run(
        f"TRUNCATE {tables} RESTART IDENTITY",
        *rows,
        "DELETE FROM crossover.master",
        "DELETE FROM crossover.reverse",
        "DELETE FROM crossover.stream",
        "DELETE FROM crossover.reverse_relay",
    )
    shop.forget()


def set_master(shop: Captured, phase: str = "dynamodb_first", *groups: str) -> None:
    """Of all groups, unless some are named: their row in the ledger, and nothing else."""
    with psycopg.connect(shop.url, autocommit=True) as connection:
        for group in groups or GROUPS:
            connection.execute(
                "INSERT INTO crossover.master (migration, group_name, item_types, phase)"
                " VALUES ('reversed', %s, %s, %s)"
                " ON CONFLICT (migration, group_name) DO UPDATE SET phase = EXCLUDED.phase, fenced = false",
                (group, list(GROUPS[group]), phase),
            )


def customer_item(number: int, name: str, email: str | None = None, addresses: Sequence[str] = ()) -> dict[str, Any]:
    """In DynamoDB JSON, without `_v`; addresses are numbered from 1."""
    streets = [
        {"M": {"address_no": {"N": str(no)}, "street": {"S": street}}} for no, street in enumerate(addresses, start=1)
    ]
    return {
        "pk": {"S": f"CUSTOMER#{number}"},
        "sk": {"S": "PROFILE"},
        "customer_id": {"N": str(number)},
        "name": {"S": name},
        "initial": {"S": name[:1]},
        **({} if email is None else {"email": {"S": email}}),
        "addresses": {"L": streets},
    }


Line = tuple[int, int, str, int]
"""line_no, position, sku, quantity."""


def order_item(
    number: int,
    customer: int,
    name: str,
    lines: Sequence[Line] = (),
    *,
    status: str = "placed",
    total: str | None = None,
    note: str | None = None,
    shop: int = 1,
    placed_at: str = "2026-11-01T10:00:00.000000Z",
) -> dict[str, Any]:
    """In DynamoDB JSON, without `_v`. `name`: of the customer, a copy."""
    elements = [
        {"M": {"line_no": {"N": str(no)}, "position": {"N": str(at)}, "sku": {"S": sku}, "quantity": {"N": str(count)}}}
        for no, at, sku, count in lines
    ]
    return {
        "pk": {"S": f"CUSTOMER#{customer}"},
        "sk": {"S": f"ORDER#{shop}#{number}"},
        "shop_id": {"N": str(shop)},
        "order_no": {"N": str(number)},
        "customer_id": {"N": str(customer)},
        "status": {"S": status},
        "placed_at": {"S": placed_at},
        **({} if total is None else {"total": {"N": total}}),
        **({} if note is None else {"note": {"S": note}}),
        "lines": {"L": elements},
        "customer": {"M": {"name": {"S": name}}},
    }


def product_item(sku: str, name: str, price: str = "1.5", stock: int = 10) -> dict[str, Any]:
    """In DynamoDB JSON, without `_v`."""
    return {
        "pk": {"S": f"PRODUCT#{sku}"},
        "sk": {"S": "PRODUCT"},
        "sku": {"S": sku},
        "name": {"S": name},
        "price": {"N": price},
        "stock": {"N": str(stock)},
    }


def voucher_item(code: str, percent: int) -> dict[str, Any]:
    """In DynamoDB JSON, without `_v` and `_s`."""
    return {
        "pk": {"S": f"VOUCHER#{code.upper()}"},
        "sk": {"S": "VOUCHER"},
        "code": {"S": code},
        "percent": {"N": str(percent)},
    }


def source_key(**columns: object) -> str:
    """`{"shop_id":"1","order_no":"2"}`, as the ledger and `_s` have it."""
    return json.dumps({name: str(value) for name, value in columns.items()}, separators=(",", ":"))


def text(item: dict[str, Any]) -> str:
    """Canonical, of items whose numbers are in normal form and which hold no sets."""
    return json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def key_text(item: dict[str, Any]) -> str:
    """The item's key, canonical."""
    return text({name: item[name] for name in ("pk", "sk")})
