"""What the service does. Each read goes where its query's stage says, each write to the store that is the master."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from examples.shop_service.on_dynamodb import OnDynamoDB
from examples.shop_service.on_rds import OnRds, engine_of
from examples.shop_service.orders import ShopError, View, no_such
from pipelines.mapping.load import load_mapping
from pipelines.masters import Masters
from pipelines.reading import Items, save_catalog
from pipelines.reading.light_client import light_client
from pipelines.routing import Router

MAPPING = Path(__file__).with_name("shop-service.yaml")
THREADS = 16
MOST_LINES = 20
PATIENCE = 2.0
"""Seconds that a caller waits for DynamoDB before RDS is asked, as long as both can answer."""


class Shop:
    """For any number of threads; a context manager. `catalog`: a file, which is made where it is not there, and is all
    that the service needs to work without RDS. Raises what Items, Router and Masters raise."""

    def __init__(self, url: str, catalog: Path, mapping: Path = MAPPING, refresh_seconds: float = 2.0) -> None:
        if not catalog.exists():
            save_catalog(mapping, catalog)
        self._engine = engine_of(url, THREADS)
        self._rds, self._dynamodb = OnRds(self._engine), OnDynamoDB(Items(mapping, light_client(), catalog=catalog))
        self._masters = Masters(mapping, catalog=catalog)
        self._router = Router(load_mapping(mapping), refresh_seconds=refresh_seconds, flush_seconds=5 * refresh_seconds)
        self._customer = self._router.query(
            "customer", rds=self._rds.customer, dynamodb=self._dynamodb.customer, key=_same, deadline_seconds=PATIENCE
        )
        self._order = self._router.query(
            "order", rds=self._rds.order, dynamodb=self._dynamodb.order, key=_both, deadline_seconds=PATIENCE
        )
        self._orders_of = self._router.query(
            "orders of customer",
            rds=self._rds.orders_of,
            dynamodb=self._dynamodb.orders_of,
            key=_same,
            deadline_seconds=PATIENCE,
        )
        self._orders_with = self._router.query(
            "orders by status",
            rds=self._rds.orders_with,
            dynamodb=self._dynamodb.orders_with,
            key=_both,
            deadline_seconds=PATIENCE,
        )

    def __enter__(self) -> Shop:
        self._router.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._router.close()
        self._masters.close()
        self._engine.dispose()

    def customer(self, customer_id: int) -> View:
        return _found(self._customer(customer_id), "customer", customer_id)

    def order(self, customer_id: int, order_id: int) -> View:
        return _found(self._order(customer_id, order_id), "order", order_id)

    def orders_of(self, customer_id: int) -> list[View]:
        return self._orders_of(customer_id)

    def orders_with(self, status: str, day: datetime) -> list[View]:
        return self._orders_with(status, day)

    def place(self, customer_id: int, quantities: Mapping[int, int]) -> int:
        """`quantities`: by product. Returns the order's number: the same one however often a store is tried."""
        if not 1 <= len(quantities) <= MOST_LINES or any(one < 1 for one in quantities.values()):
            raise ShopError(400, f"1 to {MOST_LINES} products, one piece of each or more")
        order_id, now = _new_number(), datetime.now(UTC)
        self._masters.write(
            "order",
            rds=lambda: self._rds.place(order_id, customer_id, quantities, now),
            dynamodb=lambda items: self._dynamodb.place(items, order_id, customer_id, quantities, now),
        )
        return order_id

    def pay(self, customer_id: int, order_id: int) -> None:
        now = datetime.now(UTC)
        self._masters.write(
            "order",
            rds=lambda: self._rds.pay(customer_id, order_id, now),
            dynamodb=lambda items: self._dynamodb.pay(items, customer_id, order_id, now),
        )

    def ship(self, customer_id: int, order_id: int) -> None:
        now = datetime.now(UTC)
        self._masters.write(
            "order",
            rds=lambda: self._rds.ship(customer_id, order_id, now),
            dynamodb=lambda items: self._dynamodb.ship(items, customer_id, order_id, now),
        )

    def rename(self, customer_id: int, name: str) -> None:
        if not name:
            raise ShopError(400, "a name has a letter at least")
        self._masters.write(
            "customer",
            rds=lambda: self._rds.rename(customer_id, name),
            dynamodb=lambda items: self._dynamodb.rename(items, customer_id, name),
        )

    def delete(self, customer_id: int, order_id: int) -> None:
        self._masters.write(
            "order",
            rds=lambda: self._rds.delete(customer_id, order_id),
            dynamodb=lambda items: self._dynamodb.delete(items, customer_id, order_id),
        )


def _found(view: View | None, what: str, number: int) -> View:
    if view is None:
        raise no_such(what, number)
    return view


def _same(one: object) -> object:
    return one


def _both(one: object, other: object) -> tuple[object, object]:
    return one, other


def _new_number() -> int:
    """Grows with the time; below 2^53, so that every JSON parser reads it."""
    return time.time_ns() // 1000 * 4 + random.randrange(4)  # noqa: S311 - no secret
