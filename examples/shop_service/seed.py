"""The service's first rows: always the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg

SCHEMA = Path(__file__).with_name("schema.sql")
FIRST_DAY = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 20
STOCK = 1_000_000
_STATUSES = ("placed", "paid", "shipped")
_CITIES = ("Aachen", "Łódź", "København", "Málaga")


def seed(url: str, customers: int = 200, products: int = 40, orders: int = 400) -> None:
    """Makes the tables and fills them. Orders have numbers from 1 on, as they were placed, from FIRST_DAY on. The
    last fifth of the customers has none."""
    with psycopg.connect(url) as connection:
        connection.execute(SCHEMA.read_text(encoding="utf-8").encode())
        cursor = connection.cursor()
        cursor.executemany(
            "INSERT INTO customers VALUES (%s, %s, %s, 0, %s)",
            [
                (number, f"Customer {number}", f"customer{number}@example.org", FIRST_DAY - timedelta(hours=number))
                for number in range(1, customers + 1)
            ],
        )
        cursor.executemany(
            "INSERT INTO addresses VALUES (%s, %s, %s, %s, %s)",
            [
                (
                    number,
                    place,
                    f"{number} High Street",
                    _CITIES[(number + place) % 4],
                    f"{number:05}" if place == 1 else None,
                )
                for number in range(1, customers + 1)
                for place in range(1, 1 + number % 3)
            ],
        )
        cursor.executemany(
            "INSERT INTO products VALUES (%s, %s, %s, %s)",
            [(number, f"Product {number}", Decimal(number * 249) / 100, STOCK) for number in range(1, products + 1)],
        )
        for number in range(1, orders + 1):
            _order(
                cursor,
                number,
                1 + number % (customers * 4 // 5),
                products,
                FIRST_DAY + timedelta(days=DAYS) * (number / (orders + 1)),
            )


def _order(cursor: psycopg.Cursor, number: int, customer: int, products: int, at: datetime) -> None:
    status = number % 3
    times = [at + timedelta(minutes=step) if step <= status else None for step in (1, 2)]
    cursor.execute(
        "INSERT INTO orders VALUES (%s, %s, %s, %s, %s, %s)", (number, customer, _STATUSES[status], at, *times)
    )
    cursor.execute("UPDATE customers SET orders_placed = orders_placed + 1 WHERE customer_id = %s", (customer,))
    for line in range(1, 2 + number % 3):
        product, quantity = 1 + (number * 7 + line) % products, 1 + number % 4
        cursor.execute(
            "INSERT INTO order_lines SELECT %s, %s, product_id, %s, price FROM products WHERE product_id = %s",
            (number, line, quantity, product),
        )
        cursor.execute("UPDATE products SET stock = stock - %s WHERE product_id = %s", (quantity, product))
