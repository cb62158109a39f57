"""The endpoints. A body, an answer and an error are JSON; an error is `{"error": LINE}`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from examples.shop_service.orders import ShopError
from examples.shop_service.shop import Shop
from pipelines.errors import CrossoverError, UsageError

Endpoint = Callable[[Request], Awaitable[Response]]
Answer = tuple[int, object]

CUSTOMER = "/customers/{customer:int}"
ORDER = CUSTOMER + "/orders/{order:int}"


def application(shop: Shop) -> Starlette:
    def customer(asked: Request, _: Any) -> Answer:
        return 200, shop.customer(asked.path_params["customer"])

    def order(asked: Request, _: Any) -> Answer:
        return 200, shop.order(*_order(asked))

    def orders(asked: Request, _: Any) -> Answer:
        return 200, shop.orders_of(asked.path_params["customer"])

    def with_status(asked: Request, _: Any) -> Answer:
        return 200, shop.orders_with(asked.path_params["status"], _day(asked.query_params.get("day", "")))

    def place(asked: Request, body: Any) -> Answer:
        return 201, {"order_id": shop.place(asked.path_params["customer"], _quantities(body))}

    def rename(asked: Request, body: Any) -> Answer:
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise ShopError(400, 'give {"name": TEXT}')
        shop.rename(asked.path_params["customer"], body["name"])
        return 200, {}

    def pay(asked: Request, _: Any) -> Answer:
        shop.pay(*_order(asked))
        return 200, {}

    def ship(asked: Request, _: Any) -> Answer:
        shop.ship(*_order(asked))
        return 200, {}

    def delete(asked: Request, _: Any) -> Answer:
        shop.delete(*_order(asked))
        return 200, {}

    return Starlette(
        routes=[
            Route(CUSTOMER, _endpoint(customer), methods=["GET"]),
            Route(CUSTOMER, _endpoint(rename), methods=["PATCH"]),
            Route(f"{CUSTOMER}/orders", _endpoint(orders), methods=["GET"]),
            Route(f"{CUSTOMER}/orders", _endpoint(place), methods=["POST"]),
            Route(ORDER, _endpoint(order), methods=["GET"]),
            Route(ORDER, _endpoint(delete), methods=["DELETE"]),
            Route(f"{ORDER}/pay", _endpoint(pay), methods=["POST"]),
            Route(f"{ORDER}/ship", _endpoint(ship), methods=["POST"]),
            Route("/orders/{status}", _endpoint(with_status), methods=["GET"]),
        ]
    )


def _endpoint(answer: Callable[[Request, Any], Answer]) -> Endpoint:
    """In a thread: stores are asked there, and may let one wait."""

    async def endpoint(asked: Request) -> Response:
        content = await asked.body()
        try:
            status, found = await run_in_threadpool(answer, asked, json.loads(content) if content else None)
        except ShopError as error:
            status, found = error.status, {"error": str(error)}
        except (ValueError, UsageError):
            status, found = 400, {"error": "this cannot be understood"}
        except CrossoverError as error:  # no store took it: a switch that lasts, or DynamoDB is away
            status, found = 503, {"error": str(error)}
        return Response(json.dumps(found, default=_plain), status, media_type="application/json")

    return endpoint


def _order(asked: Request) -> tuple[int, int]:
    return asked.path_params["customer"], asked.path_params["order"]


def _quantities(body: Any) -> dict[int, int]:
    lines = body.get("lines") if isinstance(body, dict) else None
    if not isinstance(lines, list) or not all(isinstance(one, dict) for one in lines):
        raise ShopError(400, 'give {"lines": [{"product_id": NUMBER, "quantity": NUMBER}]}')
    pairs = [(one.get("product_id"), one.get("quantity", 1)) for one in lines]
    if not all(type(product) is int and type(quantity) is int for product, quantity in pairs):
        raise ShopError(400, "product_id and quantity are whole numbers")
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ShopError(400, "one line for each product")
    return found


def _day(text: str) -> datetime:
    """Its beginning, in UTC."""
    day = datetime.strptime(text, "%Y-%m-%d") if text else datetime.now(UTC)
    return day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    raise TypeError(type(value).__name__)
