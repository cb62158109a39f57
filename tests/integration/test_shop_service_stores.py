"""examples/shop_service by its endpoints: whichever store is the master, it does and answers the same."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer

from examples.shop_service.seed import seed
from pipelines.mapping.load import load_mapping
from pipelines.routing.stage import Setting, Stage, stage_key
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.target.control_table import ControlTable, Key, Row
from tests.served_shop import MAPPING, service
from tests.shop_service_oracle import TABLE, Store, of_dynamodb, of_rds

pytestmark = pytest.mark.integration

GROUP = ["customer", "order", "product"]
QUERIES = ("customer", "order", "orders of customer", "orders by status")
SEEDED = {"customers": 10, "products": 5, "orders": 12}
REFRESH_SECONDS = 0.4
LINES = [{"product_id": 2, "quantity": 3}, {"product_id": 1}]


class Asking:
    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        content = body if isinstance(body, str) else json.dumps(body) if body is not None else None
        self._connection.request(method, path, content)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def url(database_url: str, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    seed(database_url, **SEEDED)
    return database_url


def is_moved(store: Store) -> None:
    """As relays and switches leave it."""
    create_tables(load_mapping(MAPPING), dynamodb_client())
    client, wire = boto3.client("dynamodb"), TypeSerializer().serialize
    for (pk, sk), item in store.items():
        whole = {"pk": pk, "sk": sk, "_v": 2**40, **item}
        client.put_item(TableName=TABLE, Item={name: wire(value) for name, value in whole.items()})
    control = ControlTable.of("shop-service")
    control.create()
    for query in QUERIES:
        control.put(Row(stage_key(query), Setting(Stage.DYNAMODB, version=1).document(), 1))
    mirror: Any = {"phase": "dynamodb_only", "fenced": False, "item_types": GROUP, "epoch": 1}
    control.put(Row(Key("writes", "+".join(GROUP)), mirror, 1))


@pytest.fixture(params=["rds", "dynamodb"])
def asking(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[Asking]:
    """Of a service whose master is `request.param`; the other store has nothing to say."""
    if request.param == "dynamodb":
        is_moved(of_rds(url))
    with ExitStack() as stack:
        found = Asking(stack.enter_context(service(tmp_path, REFRESH_SECONDS)))
        stack.callback(found.close)
        yield found


@pytest.fixture
def held(request: pytest.FixtureRequest, asking: Asking, url: str) -> Any:
    """What the master holds, read anew by each call."""
    is_rds = request.node.callspec.params["asking"] == "rds"
    return lambda: of_rds(url) if is_rds else of_dynamodb()


def stock(store: Store) -> dict[int, int]:
    return {int(item["product_id"]): int(item["stock"]) for (pk, _), item in store.items() if pk.startswith("PRODUCT#")}


def an_order_is_placed_paid_shipped_and_forgotten(asking: Asking, held: Any) -> None:
    before, placed_by = stock(held()), held()["CUSTOMER#3", "PROFILE"]["orders_placed"]
    status, placed = asking("POST", "/customers/3/orders", {"lines": LINES})
    assert status == 201
    path = f"/customers/3/orders/{placed['order_id']}"
    status, order = asking("GET", path)
    assert status == 200
    assert (order["status"], order["customer"], order["total"], order["paid_at"]) == (
        "placed",
        "Customer 3",
        "17.43",
        None,
    )
    assert [
        (line["line_no"], line["product_id"], line["product"], line["quantity"], line["price"])
        for line in order["lines"]
    ] == [
        (1, 1, "Product 1", 1, "2.49"),
        (2, 2, "Product 2", 3, "4.98"),
    ]
    assert stock(held()) == before | {1: before[1] - 1, 2: before[2] - 3}
    assert held()["CUSTOMER#3", "PROFILE"]["orders_placed"] == placed_by + 1
    assert asking("GET", "/customers/3")[1]["orders_placed"] == placed_by + 1
    assert asking("POST", f"{path}/ship")[0] == 409
    assert asking("POST", f"{path}/pay") == (200, {})
    assert asking("POST", f"{path}/pay")[0] == 409
    assert asking("DELETE", path)[0] == 409
    assert asking("POST", f"{path}/ship") == (200, {})
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for day in ("", f"?day={today}"):
        assert placed["order_id"] in {one["order_id"] for one in asking("GET", f"/orders/shipped{day}")[1]}
    assert asking("GET", "/customers/3/orders")[1][0]["order_id"] == placed["order_id"]
    assert asking("DELETE", path) == (200, {})
    assert asking("GET", path)[0] == 404
    assert stock(held()) == before | {1: before[1] - 1, 2: before[2] - 3}


def a_cancelled_order_is_in_stock_again(asking: Asking, held: Any) -> None:
    before = held()
    path = f"/customers/3/orders/{asking('POST', '/customers/3/orders', {'lines': LINES})[1]['order_id']}"
    assert asking("DELETE", path) == (200, {})
    assert asking("DELETE", path)[0] == 404
    after = held()
    assert stock(after) == stock(before)
    assert after.keys() == before.keys()


def a_new_name_is_on_all_orders(asking: Asking, held: Any) -> None:
    asking("POST", "/customers/3/orders", {"lines": LINES})
    assert asking("PATCH", "/customers/3", {"name": "Ünn"}) == (200, {})
    orders = asking("GET", "/customers/3/orders")[1]
    assert len(orders) > 1
    assert {one["customer"] for one in orders} == {asking("GET", "/customers/3")[1]["name"]} == {"Ünn"}
    named = {item["customer"]["name"] for (pk, sk), item in held().items() if pk == "CUSTOMER#3" and sk != "PROFILE"}
    assert named == {"Ünn"}


def what_is_refused_changes_nothing(asking: Asking, held: Any) -> None:
    before = held()
    asked: dict[int, list[tuple[str, str, Any]]] = {
        400: [
            ("POST", "/customers/3/orders", {"lines": []}),
            ("POST", "/customers/3/orders", {"lines": [{"product_id": "1"}]}),
            ("POST", "/customers/3/orders", {"lines": [{"product_id": 1, "quantity": 0}]}),
            ("POST", "/customers/3/orders", {"lines": [{"product_id": 1}, {"product_id": 1}]}),
            ("POST", "/customers/3/orders", "no JSON"),
            ("PATCH", "/customers/3", {"name": ""}),
            ("PATCH", "/customers/3", []),
            ("GET", "/orders/paid?day=yesterday", None),
        ],
        404: [
            ("GET", "/customers/999", None),
            ("GET", "/customers/3/orders/999", None),
            ("POST", "/customers/999/orders", {"lines": LINES}),
            ("POST", "/customers/3/orders", {"lines": [*LINES, {"product_id": 999}]}),
            ("POST", "/customers/3/orders/999/pay", None),
            ("PATCH", "/customers/999", {"name": "Ann"}),
        ],
        409: [("POST", "/customers/3/orders", {"lines": [*LINES, {"product_id": 3, "quantity": 10**8}]})],
    }
    for status, requests in asked.items():
        for request in requests:
            found = asking(*request)
            assert found[0] == status, request
            assert list(found[1]) == ["error"]
    assert held() == before


def test_the_service_does_and_answers_the_same(asking: Asking, held: Any) -> None:
    an_order_is_placed_paid_shipped_and_forgotten(asking, held)
    a_cancelled_order_is_in_stock_again(asking, held)
    a_new_name_is_on_all_orders(asking, held)
    what_is_refused_changes_nothing(asking, held)
