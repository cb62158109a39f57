"""The service on DynamoDB: reads by Items, writes by the ItemWriter that Masters gives.

An order holds copies of its customer's name and of its products'. With DynamoDB as master the service itself keeps them
right: a rename rewrites the customer's orders, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from examples.shop_service.orders import PAGE, ShopError, View, customer_view, no_such, order_view, required_status
from pipelines.masters import ItemWriter, NoItemError, Transaction
from pipelines.reading import Items

Item = dict[str, Any]

MOST_RENAMED = 99
"""Orders of a customer who can be renamed: DynamoDB writes 100 items in a transaction."""


class OnDynamoDB:
    def __init__(self, items: Items) -> None:
        self._items = items

    def customer(self, customer_id: int) -> View | None:
        found = self._items.get("customer", customer_id=customer_id, consistent=True)
        return None if found is None else customer_view(found, found["addresses"])

    def order(self, customer_id: int, order_id: int) -> View | None:
        found = self._items.get("order", customer_id=customer_id, order_id=order_id, consistent=True)
        return None if found is None else _view(found)

    def orders_of(self, customer_id: int) -> list[View]:
        page = self._items.list("order", customer_id=customer_id, reverse=True, consistent=True, page_size=PAGE)
        return [_view(item) for item in page.items]

    def orders_with(self, status: str, day: datetime) -> list[View]:
        """The index follows the table a moment later."""
        last = day + timedelta(days=1) - timedelta(microseconds=1)
        page = self._items.by_index(
            "by_status", "order", status=status, between={"placed_at": (day, last)}, page_size=PAGE
        )
        return [_view(item) for item in page.items]

    def place(
        self, items: ItemWriter, order_id: int, customer_id: int, quantities: Mapping[int, int], now: datetime
    ) -> None:
        with items.transaction() as transaction:
            customer = _changed(transaction, "customer", _counted, customer_id=customer_id)
            lines = []
            for line_no, (product_id, quantity) in enumerate(sorted(quantities.items()), start=1):
                product = _changed(transaction, "product", _taking(quantity), product_id=product_id)
                lines.append(
                    {
                        "line_no": line_no,
                        "product_id": product_id,
                        "quantity": quantity,
                        "price": product["price"],
                        "product": {"name": product["name"]},
                    }
                )
            order = {
                "order_id": order_id,
                "customer_id": customer_id,
                "status": "placed",
                "placed_at": now,
                "customer": {"name": customer["name"]},
                "lines": lines,
            }
            transaction.put("order", order)

    def pay(self, items: ItemWriter, customer_id: int, order_id: int, now: datetime) -> None:
        _proceed(items, customer_id, order_id, _proceeding("placed", "paid", "paid_at", now))

    def ship(self, items: ItemWriter, customer_id: int, order_id: int, now: datetime) -> None:
        _proceed(items, customer_id, order_id, _proceeding("paid", "shipped", "shipped_at", now))

    def rename(self, items: ItemWriter, customer_id: int, name: str) -> None:
        """Whoever places an order for the customer changes the customer's item, too: so either the new order is among
        those that are listed here, or one of the two transactions is refused and begins again."""

        with items.transaction() as transaction:
            _changed(transaction, "customer", lambda customer: {**customer, "name": name}, customer_id=customer_id)
            for order_id in self._orders_of(customer_id):
                if transaction.get("order", customer_id=customer_id, order_id=order_id) is None:
                    continue  # deleted just now
                transaction.update(
                    "order",
                    lambda order: {**order, "customer": {"name": name}},
                    customer_id=customer_id,
                    order_id=order_id,
                )

    def delete(self, items: ItemWriter, customer_id: int, order_id: int) -> None:
        with items.transaction() as transaction:
            order = transaction.get("order", customer_id=customer_id, order_id=order_id)
            if order is None:
                raise no_such("order", order_id)
            status = required_status(order_id, order["status"], ("placed", "shipped"))
            for line in order["lines"] if status == "placed" else ():
                _changed(transaction, "product", _taking(-int(line["quantity"])), product_id=int(line["product_id"]))
            transaction.delete("order", customer_id=customer_id, order_id=order_id)

    def _orders_of(self, customer_id: int) -> list[int]:
        found: list[int] = []
        cursor = None
        while True:
            page = self._items.list("order", customer_id=customer_id, consistent=True, cursor=cursor)
            found += [int(order["order_id"]) for order in page.items]
            cursor = page.cursor
            if len(found) > MOST_RENAMED:
                raise ShopError(409, f"customer {customer_id} has more than {MOST_RENAMED} orders and keeps the name")
            if cursor is None:
                return found


def _view(item: Item) -> View:
    lines = [{**line, "product": line["product"]["name"]} for line in item["lines"]]
    return order_view(item, item["customer"]["name"], lines)


def _counted(customer: Item) -> Item:
    return {**customer, "orders_placed": customer["orders_placed"] + 1}


def _taking(quantity: int) -> Callable[[Item], Item]:
    def take(product: Item) -> Item:
        if product["stock"] < quantity:
            raise ShopError(409, f"product {product['product_id']}: not enough in stock")
        return {**product, "stock": product["stock"] - quantity}

    return take


def _proceeding(was: str, status: str, attribute: str, now: datetime) -> Callable[[Item], Item]:
    def proceed(order: Item) -> Item:
        required_status(int(order["order_id"]), order["status"], (was,))
        return {**order, "status": status, attribute: now}

    return proceed


def _proceed(items: ItemWriter, customer_id: int, order_id: int, change: Callable[[Item], Item]) -> None:
    try:
        items.update("order", change, customer_id=customer_id, order_id=order_id)
    except NoItemError:
        raise no_such("order", order_id) from None


def _changed(transaction: Transaction, item_type: str, change: Callable[[Item], Item], **key: int) -> Item:
    try:
        return transaction.update(item_type, change, **key)
    except NoItemError:
        raise no_such(item_type, next(iter(key.values()))) from None
