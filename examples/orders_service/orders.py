"""What the service does. Each function works in the transaction of the session that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from examples.orders_service.models import Base, Customer, Line, Order, Product

KEPT_FOR = timedelta(days=365)

Row = TypeVar("Row", bound=Base)


class OrderError(Exception):
    """One clear line for whoever called."""


def place_order(session: Session, customer_id: int, quantities: Mapping[int, int], now: datetime) -> int:
    """`quantities` by product. Returns the order's number. Raises OrderError where there is no such customer or
    product, or not enough of it."""
    customer = _existing(session, Customer, customer_id)
    order = Order(
        order_id=(session.scalar(select(func.max(Order.order_id))) or 0) + 1,
        customer_id=customer_id,
        status="placed",
        contact_email=customer.email,
        currency="EUR",
        shipping_cost=Decimal("4.90"),
        discount=Decimal(0),
        gift=False,
        placed_at=now,
        updated_at=now,
        expires_at=now + KEPT_FOR,
    )
    order.lines = [
        _line(session, number, product_id, quantity)
        for number, (product_id, quantity) in enumerate(sorted(quantities.items()), start=1)
    ]
    session.add(order)
    return order.order_id


def ship_order(session: Session, order_id: int, now: datetime) -> None:
    """Raises OrderError where there is no such order, or it cannot be shipped."""
    order = _existing(session, Order, order_id)
    if order.status not in ("placed", "paid"):
        raise OrderError(f"order {order_id} is {order.status}: it cannot be shipped")
    order.status, order.updated_at = "shipped", now


def rename_customer(session: Session, customer_id: int, name: str) -> None:
    """Raises OrderError where there is no such customer."""
    _existing(session, Customer, customer_id).name = name


def _line(session: Session, number: int, product_id: int, quantity: int) -> Line:
    product = _existing(session, Product, product_id)
    if quantity < 1 or product.stock < quantity:
        raise OrderError(f"product {product_id}: {product.stock} in stock, {quantity} asked for")
    product.stock -= quantity
    product.in_stock = product.stock > 0
    return Line(line_no=number, product_id=product_id, quantity=quantity, price=product.price)


def _existing(session: Session, model: type[Row], key: int) -> Row:
    found = session.get(model, key, with_for_update=True)
    if found is None:
        raise OrderError(f"there is no {model.__name__.lower()} {key}")
    return found
