"""Fills an empty PostgreSQL database with the example shop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from examples.shop import rows
from pipelines.errors import SourceError

SEED: Final = 20261124
SCHEMA: Final = Path(__file__).with_name("schema.sql")


@dataclass(frozen=True)
class ShopRows:
    """Rows per table."""

    categories: int
    products: int
    customers: int
    addresses: int
    orders: int
    order_items: int
    payments: int
    reviews: int

    def values(self) -> tuple[int, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


def load(url: str, scale: float = 1.0, seed: int = SEED) -> ShopRows:
    """Creates the shop's tables in the database's default schema and fills them, in one transaction.

    Scale 1 becomes about 8,000 DynamoDB items. The same scale and seed give the same rows on every machine.
    Raises SourceError where the tables exist already or the database cannot be reached.
    """
    try:
        with psycopg.connect(url) as connection:
            connection.execute(SCHEMA.read_bytes())
            return _copy_all(connection, rows.ShopSize.of_scale(scale), seed)
    except psycopg.errors.DuplicateObject as error:
        raise SourceError("the example shop is in this database already; give it an empty one") from error
    except psycopg.OperationalError as error:
        raise SourceError("the example shop's database cannot be reached; check that its server runs") from error


def _copy_all(connection: psycopg.Connection, size: rows.ShopSize, seed: int) -> ShopRows:
    """Parents before their children, as the foreign keys ask."""
    loaded = ShopRows(
        categories=_copy(connection, "categories", rows.categories(seed)),
        products=_copy(connection, "products", rows.products(seed, size)),
        customers=_copy(connection, "customers", rows.customers(seed, size)),
        addresses=_copy(connection, "addresses", rows.addresses(seed, size)),
        orders=_copy(connection, "orders", rows.orders(seed, size)),
        order_items=_copy(connection, "order_items", rows.order_items(seed, size)),
        payments=_copy(connection, "payments", rows.payments(seed, size)),
        reviews=_copy(connection, "reviews", rows.reviews(seed, size)),
    )
    connection.execute("ANALYZE")
    return loaded


def _copy(connection: psycopg.Connection, table: str, table_rows: Iterable[rows.Row]) -> int:
    count = 0
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in table_rows:
            copy.write_row(row)
            count += 1
    return count
