"""The service on PostgreSQL, by SQLAlchemy. Each write is one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from examples.shop_service.orders import PAGE, ShopError, View, customer_view, no_such, order_view, required_status
from pipelines.errors import UsageError

Row = dict[str, Any]

_ORDERS = """
SELECT o.*, c.name AS customer FROM orders o JOIN customers c USING (customer_id)
"""
_LINES = """
SELECT l.order_id, l.line_no, l.product_id, l.quantity, l.price, p.name AS product
FROM order_lines l JOIN products p USING (product_id)
WHERE l.order_id = ANY(:orders) ORDER BY l.order_id, l.line_no
"""


def engine_of(url: str, connections: int) -> Engine:
    """Connects with the first statement. Raises UsageError where it is no URL."""
    try:
        address = make_url(url).set(drivername="postgresql+psycopg")
    except ArgumentError:
        raise UsageError("the database's URL is none; give postgresql://user@host/database") from None
    return create_engine(address, pool_size=connections, max_overflow=0, pool_pre_ping=True)


class OnRds:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def customer(self, customer_id: int) -> View | None:
        with self._engine.connect() as connection:
            row = _one(connection, "SELECT * FROM customers WHERE customer_id = :id", id=customer_id)
            if row is None:
                return None
            addresses = _all(
                connection, "SELECT * FROM addresses WHERE customer_id = :id ORDER BY address_no", id=customer_id
            )
            return customer_view(row, addresses)

    def order(self, customer_id: int, order_id: int) -> View | None:
        found = self._orders("WHERE o.customer_id = :customer AND o.order_id = :id", customer=customer_id, id=order_id)
        return found[0] if found else None

    def orders_of(self, customer_id: int) -> list[View]:
        """The newest first, PAGE at most."""
        return self._orders(
            "WHERE o.customer_id = :customer ORDER BY o.order_id DESC LIMIT :page", customer=customer_id, page=PAGE
        )

    def orders_with(self, status: str, day: datetime) -> list[View]:
        """That were placed on the day that begins then, the oldest first, PAGE at most."""
        return self._orders(
            "WHERE o.status = :status AND o.placed_at >= :day AND o.placed_at < :next"
            " ORDER BY o.placed_at, o.order_id LIMIT :page",
            status=status,
            day=day,
            next=day + timedelta(days=1),
            page=PAGE,
        )

    def place(self, order_id: int, customer_id: int, quantities: Mapping[int, int], now: datetime) -> None:
        with self._engine.begin() as connection:
            counted = _one(
                connection,
                "UPDATE customers SET orders_placed = orders_placed + 1 WHERE customer_id = :id RETURNING name",
                id=customer_id,
            )
            if counted is None:
                raise no_such("customer", customer_id)
            prices = {product: _taken(connection, product, quantities[product]) for product in sorted(quantities)}
            _run(
                connection,
                "INSERT INTO orders (order_id, customer_id, status, placed_at) VALUES (:id, :customer, 'placed', :now)",
                id=order_id,
                customer=customer_id,
                now=now,
            )
            for line_no, product in enumerate(sorted(quantities), start=1):
                _run(
                    connection,
                    "INSERT INTO order_lines VALUES (:id, :line, :product, :quantity, :price)",
                    id=order_id,
                    line=line_no,
                    product=product,
                    quantity=quantities[product],
                    price=prices[product],
                )

    def pay(self, customer_id: int, order_id: int, now: datetime) -> None:
        self._proceed(customer_id, order_id, "placed", "paid", "paid_at", now)

    def ship(self, customer_id: int, order_id: int, now: datetime) -> None:
        self._proceed(customer_id, order_id, "paid", "shipped", "shipped_at", now)

    def rename(self, customer_id: int, name: str) -> None:
        with self._engine.begin() as connection:
            found = _one(
                connection,
                "UPDATE customers SET name = :name WHERE customer_id = :id RETURNING 1 AS done",
                name=name,
                id=customer_id,
            )
            if found is None:
                raise no_such("customer", customer_id)

    def delete(self, customer_id: int, order_id: int) -> None:
        with self._engine.begin() as connection:
            if _require(connection, customer_id, order_id, "placed", "shipped") == "placed":
                _give_back(connection, order_id)
            _run(connection, "DELETE FROM orders WHERE order_id = :id", id=order_id)

    def _orders(self, where: str, **values: object) -> list[View]:
        with self._engine.connect() as connection:
            rows = _all(connection, _ORDERS + where, **values)
            lines: dict[int, list[Row]] = {row["order_id"]: [] for row in rows}
            for line in _all(connection, _LINES, orders=[*lines]) if rows else ():
                lines[line["order_id"]].append(line)
            return [order_view(row, row["customer"], lines[row["order_id"]]) for row in rows]

    def _proceed(self, customer_id: int, order_id: int, was: str, status: str, column: str, now: datetime) -> None:
        with self._engine.begin() as connection:
            _require(connection, customer_id, order_id, was)
            _run(
                connection,
                f"UPDATE orders SET status = :status, {column} = :now WHERE order_id = :id",  # noqa: S608 - our own name
                status=status,
                now=now,
                id=order_id,
            )


def _require(connection: Connection, customer_id: int, order_id: int, *statuses: str) -> str:
    """The order's status, one of these; locks it. Raises ShopError."""
    found = _one(
        connection,
        "SELECT status FROM orders WHERE customer_id = :customer AND order_id = :id FOR UPDATE",
        customer=customer_id,
        id=order_id,
    )
    if found is None:
        raise no_such("order", order_id)
    return required_status(order_id, found["status"], statuses)


def _give_back(connection: Connection, order_id: int) -> None:
    """What was ordered is in stock again."""
    lines = "SELECT product_id, quantity FROM order_lines WHERE order_id = :id ORDER BY product_id"
    for line in _all(connection, lines, id=order_id):
        _run(
            connection,
            "UPDATE products SET stock = stock + :quantity WHERE product_id = :product",
            quantity=line["quantity"],
            product=line["product_id"],
        )


def _taken(connection: Connection, product_id: int, quantity: int) -> Any:
    """Its price."""
    product = _one(
        connection,
        "UPDATE products SET stock = stock - :quantity WHERE product_id = :id AND stock >= :quantity RETURNING price",
        quantity=quantity,
        id=product_id,
    )
    if product is not None:
        return product["price"]
    if _one(connection, "SELECT 1 AS there FROM products WHERE product_id = :id", id=product_id) is None:
        raise no_such("product", product_id)
    raise ShopError(409, f"product {product_id}: not enough in stock")


def _one(connection: Connection, statement: str, **values: object) -> Row | None:
    row = connection.execute(text(statement), values).mappings().one_or_none()
    return None if row is None else dict(row)


def _all(connection: Connection, statement: str, **values: object) -> list[Row]:
    return [dict(row) for row in connection.execute(text(statement), values).mappings()]


def _run(connection: Connection, statement: str, **values: object) -> None:
    connection.execute(text(statement), values)
