"""An application that writes the small shop of `tests.delivered_shop`: one of several processes.

    python -m tests.shop_writer URL SEED TRANSACTIONS PER_SECOND [ORDERS]

Without ORDERS there are so few rows that writers meet often. The same seed gives the same transactions: what is drawn
depends on nothing that the database answers. Prints what became of them as JSON: how many were committed, rolled back
on purpose, or failed, by SQLSTATE.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

LEVELS = ("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
BURST = 10
"""Transactions without a pause between them: so that they meet others'."""

EXPECTED = ("23503", "23505", "40001", "40P01")
"""Foreign key, unique key, serialisation failure, deadlock between writers."""


@dataclass(frozen=True)
class Size:
    """How many of each there are at most; the fewer, the more often writers meet."""

    orders: int
    customers: int
    lines: int
    products: int
    seats: int


LARGE, SMALL = Size(30, 5, 3, 6, 8), Size(6, 3, 2, 3, 4)


def sized(orders: int) -> Size:
    """So that a fifth of the items are seats."""
    return Size(orders, max(1, orders // 8), 3, 20, orders // 4)


@dataclass(frozen=True)
class Transaction:
    """`pauses`: seconds after each statement. `undone`: which statements are rolled back to a savepoint."""

    level: str
    statements: tuple[str, ...]
    pauses: tuple[float, ...]
    undone: tuple[bool, ...]
    rolled_back: bool


def transactions(seed: str, count: int, size: Size = LARGE) -> Iterator[Transaction]:
    dice = random.Random(seed)
    for number in range(count):
        statements = tuple(_change(dice, size, f"{seed}.{number}") for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))))
        yield Transaction(
            dice.choice(LEVELS),
            statements,
            tuple(dice.choice((0.0, 0.0, 0.0, 0.002, 0.01)) for _ in statements),
            tuple(dice.random() < 0.05 for _ in statements),
            dice.random() < 0.08,
        )


def _change(dice: random.Random, size: Size, tag: str) -> str:
    """A statement of any kind that changes items, their keys, or what they embed."""
    order, other = (dice.randint(1, size.orders) for _ in range(2))
    customer, line, product = (dice.randint(1, most) for most in (size.customers, size.lines, size.products))
    seat, place, third = (dice.randint(1, size.seats) for _ in range(3))
    draft = "true" if dice.random() < 0.15 else "false"
    few = f"BETWEEN {order} AND {order + 4}"
    kinds = {
        f"INSERT INTO orders VALUES ({order}, {customer}, '{tag}', {draft}) ON CONFLICT (id) DO NOTHING": 12,
        f"INSERT INTO orders VALUES ({order}, {customer}, '{tag}', {draft}) ON CONFLICT (id)"
        " DO UPDATE SET note = EXCLUDED.note, customer = EXCLUDED.customer": 4,
        f"UPDATE orders SET note = '{tag}' WHERE id = {order}": 10,
        f"UPDATE orders SET customer = {customer} WHERE id = {order}": 8,
        f"UPDATE orders SET draft = NOT draft WHERE id = {order}": 3,
        f"DELETE FROM orders WHERE id = {order}": 6,
        f"DELETE FROM orders WHERE id = {order}; INSERT INTO orders VALUES ({order}, {customer}, '{tag}')": 3,
        f"UPDATE orders SET id = {other} WHERE id = {order} AND NOT EXISTS (SELECT FROM orders WHERE id = {other})": 4,
        f"UPDATE orders SET note = '{tag}' WHERE id {few}": 3,
        f"UPDATE orders SET customer = customer % {size.customers} + 1 WHERE id {few}": 2,
        f"DELETE FROM orders WHERE id {few}": 1,
        f"INSERT INTO orders SELECT n, n % {size.customers} + 1, '{tag}' FROM generate_series({order}, {order} + 4) n"
        f" WHERE n <= {size.orders} ON CONFLICT DO NOTHING": 2,
        f"INSERT INTO lines SELECT id, {line}, {product} FROM orders WHERE id = {order} ON CONFLICT DO NOTHING": 10,
        f"INSERT INTO lines VALUES ({order}, {line}, {product})": 1,
        f"UPDATE lines SET product = {product} WHERE order_id = {order}": 3,
        f"UPDATE lines SET order_id = {other} WHERE order_id = {order} AND n = {line}": 4,
        f"UPDATE lines SET order_id = o.id FROM orders o WHERE order_id = {order} AND n = {line} AND o.id = {other}"
        f" AND NOT EXISTS (SELECT FROM lines l WHERE l.order_id = {other} AND l.n = {line})": 4,
        f"DELETE FROM lines WHERE order_id = {order}": 2,
        f"DELETE FROM lines WHERE n = {line} AND order_id {few}": 2,
        f"INSERT INTO products VALUES ({product}, '{tag}') ON CONFLICT (id) DO UPDATE SET name = '{tag}'": 5,
        f"UPDATE products SET name = '{tag}' WHERE id = {product}": 4,
        f"DELETE FROM products WHERE id = {product}": 2,
        f"UPDATE products SET id = {product} % {size.products} + 1 WHERE id = {product}": 1,
        f"INSERT INTO seats SELECT {seat}, 'S{place}', '{tag}' WHERE NOT EXISTS"
        f" (SELECT FROM seats WHERE place = 'S{place}' OR id = {seat})": 8,
        f"UPDATE seats SET guest = '{tag}' WHERE id = {seat}": 4,
        f"UPDATE seats SET place = 'S{place}' WHERE id = {seat}": 4,
        f"DELETE FROM seats WHERE place = 'S{place}'": 4,
        f"DELETE FROM seats WHERE id = {seat}": 2,
        f"UPDATE seats SET place = CASE place WHEN 'S{place}' THEN 'S{seat}' ELSE 'S{place}' END"
        f" WHERE place IN ('S{place}', 'S{seat}')": 3,
        f"UPDATE seats SET place = CASE place WHEN 'S{place}' THEN 'S{seat}' WHEN 'S{seat}' THEN 'S{third}'"
        f" ELSE 'S{place}' END WHERE place IN ('S{place}', 'S{seat}', 'S{third}')": 2,
        "TRUNCATE lines": 0.1,
    }
    return dice.choices(list(kinds), list(kinds.values()))[0]


def carried_out(connection: Connection[TupleRow], transaction: Transaction) -> str:
    """`committed`, `rolled back`, or an SQLSTATE."""
    try:
        with connection.transaction(force_rollback=transaction.rolled_back):
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {transaction.level}".encode())
            for statement, pause, undone in zip(
                transaction.statements, transaction.pauses, transaction.undone, strict=True
            ):
                with connection.transaction(force_rollback=True) if undone else nullcontext():
                    connection.execute(statement.encode())
                time.sleep(pause)
    except psycopg.Error as error:
        return error.sqlstate or "lost"
    return "rolled back" if transaction.rolled_back else "committed"


def write(url: str, seed: str, count: int, per_second: float, size: Size = LARGE) -> Counter[str]:
    """Slower where the database is."""
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET deadlock_timeout TO '50ms'")
        for number, transaction in enumerate(transactions(seed, count, size)):
            outcomes[carried_out(connection, transaction)] += 1
            if number % BURST == 0:
                time.sleep(max(0.0, began + number / per_second - time.monotonic()))
    return outcomes


if __name__ == "__main__":
    url, seed, count, per_second, *orders = sys.argv[1:]
    size = sized(int(orders[0])) if orders else LARGE
    sys.stdout.write(json.dumps(write(url, seed, int(count), float(per_second), size)))
