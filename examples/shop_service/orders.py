"""What the service answers, the same from either store: dictionaries of int, str, Decimal, datetime (UTC), None."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

View = dict[str, Any]

PAGE = 20
"""Orders that a list shows."""


class ShopError(Exception):
    """One clear line for whoever called. `status`: HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def no_such(what: str, number: int) -> ShopError:
    return ShopError(404, f"there is no {what} {number}")


def required_status(order_id: int, status: str, wanted: Sequence[str]) -> str:
    """`status`, if it is one of these. Raises ShopError."""
    if status not in wanted:
        raise ShopError(409, f"order {order_id} is {status}, not {' or '.join(wanted)}")
    return status


def order_view(order: Mapping[str, Any], customer: str, lines: Iterable[Mapping[str, Any]]) -> View:
    """Of a row or an item. Each of `lines` has the product's name as `product`."""
    shown = [
        {
            "line_no": int(line["line_no"]),
            "product_id": int(line["product_id"]),
            "product": line["product"],
            "quantity": int(line["quantity"]),
            "price": Decimal(line["price"]),
        }
        for line in lines
    ]
    return {
        "order_id": int(order["order_id"]),
        "customer_id": int(order["customer_id"]),
        "customer": customer,
        "status": order["status"],
        "placed_at": instant(order["placed_at"]),
        "paid_at": instant(order.get("paid_at")),
        "shipped_at": instant(order.get("shipped_at")),
        "lines": shown,
        "total": sum((line["price"] * line["quantity"] for line in shown), Decimal(0)),
    }


def customer_view(customer: Mapping[str, Any], addresses: Iterable[Mapping[str, Any]]) -> View:
    return {
        "customer_id": int(customer["customer_id"]),
        "name": customer["name"],
        "email": customer["email"],
        "orders_placed": int(customer["orders_placed"]),
        "joined_at": instant(customer["joined_at"]),
        "addresses": [
            {
                "address_no": int(one["address_no"]),
                "street": one["street"],
                "city": one["city"],
                "postcode": one.get("postcode"),
            }
            for one in addresses
        ],
    }


def instant(value: datetime | str | None) -> datetime | None:
    """PostgreSQL's value, or the text that items have, `2026-11-24T08:55:13.123456Z`."""
    if value is None:
        return None
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
