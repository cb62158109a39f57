"""What `Items` reads is what the rows in PostgreSQL say, asked there by SQL of the test's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest

from pipelines.errors import StageError, UsageError
from pipelines.reading import Items, Page
from pipelines.target.embedded import EmbeddedDynamoDB
from tests.read_shop import MAPPING, ReadShop, plant_tombstone, read_shop

pytestmark = pytest.mark.integration

ORDERS = "SELECT * FROM orders WHERE status <> 'draft'"


@pytest.fixture(scope="module")
def shop(
    postgres_server: str, dynamodb_server: EmbeddedDynamoDB, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReadShop]:
    dynamodb_server.reset()
    with read_shop(postgres_server, dynamodb_server.environment(), tmp_path_factory.mktemp("read")) as shop:
        yield shop


@pytest.fixture(scope="module")
def items(shop: ReadShop) -> Items:
    return Items(MAPPING, catalog=shop.catalog)


@pytest.fixture(scope="module")
def customer(shop: ReadShop) -> int:
    """Who has the most orders, with tombstones before, between and after them, and an item of no type among them."""
    (found,) = shop.rows(f"SELECT customer_id FROM ({ORDERS}) AS o GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    customer = int(found["customer_id"])
    there = [row["order_id"] for row in shop.rows(f"{ORDERS} AND customer_id = {customer}")]
    assert len(there) >= 4
    for order in {0, *(id + 1 for id in there), *range(9_000_000_000, 9_000_000_030)} - set(there):
        plant_tombstone("shop", pk={"S": f"CUSTOMER#{customer}"}, sk={"S": f"ORDER#{order:010}"})
    foreign = {"pk": {"S": f"CUSTOMER#{customer}"}, "sk": {"S": f"ORDER#{there[0]:010}#note"}}
    boto3.client("dynamodb").put_item(TableName="shop", Item=foreign)
    return customer


def pages(ask: Callable[[str | None], Page]) -> Iterator[Page]:
    cursor = None
    while True:
        page = ask(cursor)
        yield page
        cursor = page.cursor
        if cursor is None:
            return
        assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)


def orders_of(shop: ReadShop, customer: int, condition: str = "true") -> list[int]:
    query = f"{ORDERS} AND customer_id = {customer} AND {condition} ORDER BY order_id"
    return [row["order_id"] for row in shop.rows(query)]


def ids(page: Page, name: str = "order_id") -> list[int]:
    return [int(item[name]) for item in page.items]


def test_every_order_is_got_by_its_columns(shop: ReadShop, items: Items) -> None:
    rows = shop.rows(ORDERS)
    assert rows
    for row in rows:
        item = items.get("order", customer_id=row["customer_id"], order_id=row["order_id"], consistent=True)
        assert item is not None
        assert (item["status"], item["shipping_cost"]) == (row["status"], row["shipping_cost"])
        assert isinstance(item["shipping_cost"], Decimal)
        assert not {"_v", "_s", "_ttl", "_deleted", "_at"} & item.keys()


def test_every_review_is_got_whatever_its_handle(shop: ReadShop, items: Items) -> None:
    rows = shop.rows("SELECT product_id, handle, edition, title FROM reviews")
    assert any("#" in row["handle"] or "%" in row["handle"] for row in rows)
    for row in rows:
        item = items.get("review", {"handle": row["handle"]}, product_id=row["product_id"], edition=row["edition"])
        assert item is not None
        assert item["title"] == row["title"]


def test_number_keys(shop: ReadShop, items: Items) -> None:
    for row in shop.rows("SELECT category_id, product_id, name FROM products"):
        item = items.get("catalog_entry", category_id=row["category_id"], product_id=row["product_id"])
        assert item is not None
        assert item["name"] == row["name"]


def test_what_was_deleted_or_never_there_is_none(items: Items, customer: int) -> None:
    assert items.get("order", customer_id=customer, order_id=9_000_000_000) is None
    assert items.get("order", customer_id=customer, order_id=8_000_000_000) is None


@pytest.mark.parametrize("reverse", [False, True])
def test_pages_of_every_size_give_every_order_once(shop: ReadShop, items: Items, customer: int, reverse: bool) -> None:
    expected = orders_of(shop, customer)[:: -1 if reverse else 1]
    for size in range(1, len(expected) + 2):
        found = list(
            pages(lambda at, n=size: items.list("order", customer_id=customer, page_size=n, cursor=at, reverse=reverse))  # type: ignore[misc]
        )
        assert [id for page in found for id in ids(page)] == expected
        assert [len(page.items) for page in found[:-1]] == [size] * (len(found) - 1)
        assert found[-1].items


def test_a_collection_shows_one_item_type_only(shop: ReadShop, items: Items, customer: int) -> None:
    assert ids(items.list("customer", customer_id=customer), "customer_id") == [customer]
    for row in shop.rows("SELECT product_id FROM products LIMIT 20"):
        id = row["product_id"]
        stored = shop.rows(f"SELECT handle, edition FROM reviews WHERE product_id = {id}")
        page = items.list("review", product_id=id)
        found = sorted((item["handle"], int(item["edition"])) for item in page.items)
        assert found == sorted((one["handle"], one["edition"]) for one in stored)


def test_between_has_both_ends(shop: ReadShop, items: Items, customer: int) -> None:
    every = orders_of(shop, customer)
    low, high = every[1], every[-2]
    for ends, expected in (
        ((low, high), every[1:-1]),
        ((low, None), every[1:]),
        ((None, high), every[:-1]),
        ((low, low), [low]),
    ):
        page = items.list("order", customer_id=customer, between={"order_id": ends})
        assert ids(page) == expected


def test_between_of_a_number_key(shop: ReadShop, items: Items) -> None:
    for row in shop.rows("SELECT DISTINCT category_id FROM products"):
        rows = shop.rows(f"SELECT product_id FROM products WHERE category_id = {row['category_id']} ORDER BY 1")
        every = [one["product_id"] for one in rows]
        page = items.list("catalog_entry", category_id=row["category_id"], between={"product_id": (every[0] + 1, None)})
        assert ids(page, "product_id") == every[1:]


def test_an_index_by_leading_columns(shop: ReadShop, items: Items) -> None:
    (day,) = shop.rows(f"SELECT min(placed_at) AS first, max(placed_at) AS last FROM ({ORDERS}) AS o")
    for bucket in range(8):
        for condition, asked in (
            ("true", {}),
            ("placed_at >= '2025-01-01Z' AND placed_at < '2026-01-01Z'", {"begins": {"placed_at": "2025"}}),
            (
                f"(placed_at AT TIME ZONE 'UTC')::date <= '{day['first'].astimezone(UTC):%Y-%m-%d}'",
                {"between": {"placed_at": (day["first"], day["first"])}},
            ),
            ("true", {"between": {"placed_at": (day["first"], datetime(2999, 1, 1, tzinfo=UTC))}}),
        ):
            rows = shop.rows(f"{ORDERS} AND order_id % 8 = {bucket} AND {condition}")
            found = [
                id
                for page in pages(
                    lambda at, b=bucket, a=asked: items.by_index(
                        "gsi1", "order", order_id=b, page_size=3, cursor=at, **a
                    )  # type: ignore[misc]
                )
                for id in ids(page)
            ]
            assert sorted(found) == sorted(row["order_id"] for row in rows), (bucket, condition)


def test_an_index_value_in_full(shop: ReadShop, items: Items) -> None:
    for row in shop.rows(f"{ORDERS} LIMIT 10"):
        page = items.by_index(
            "gsi1", "order", order_id=row["order_id"], placed_at=row["placed_at"], status=row["status"]
        )
        assert row["order_id"] in ids(page)
        assert {item["status"] for item in page.items} == {row["status"]}


def test_an_index_by_char_in_lower_case(shop: ReadShop, items: Items) -> None:
    for row in shop.rows("SELECT country, count(*) AS n FROM customers GROUP BY 1"):
        assert len(items.by_index("gsi1", "customer", country=row["country"], page_size=1000).items) == row["n"]


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda i: i.get("ordre", order_id=1), "no item type `ordre` in shop"),
        (lambda i: i.get("order", order_id=1), "`customer_id` missing"),
        (lambda i: i.get("order", order_id=1, customer_id=1, status="x"), "`status` is not asked for"),
        (lambda i: i.get("order", order_id="1", customer_id=1), "`order_id` is bigint: give int, not str"),
        (lambda i: i.get("order", order_id=-1, customer_id=1), "a value that no key has"),
        (lambda i: i.by_index("gsi2", "order", order_id=1), "no index `gsi2` of table shop; there: gsi1"),
        (lambda i: i.by_index("gsi1", "review", product_id=1), "no review is in index `gsi1`"),
        (lambda i: i.by_index("gsi1", "order", order_id=1, status="paid"), "`status` comes after `placed_at`"),
        (lambda i: i.list("order", customer_id=1, begins={"order_id": "1"}), "no text; use `between`"),
        (lambda i: i.list("order", customer_id=1, between={"status": (1, 2)}), "here it can be of `order_id`"),
        (lambda i: i.list("review", product_id=1, between={"handle": ("a", "b")}), "not in the order of `handle`"),
        (lambda i: i.list("order", customer_id=1, between={"order_id": (None, None)}), "(low, high)"),
        (lambda i: i.list("order", customer_id=1, page_size=0), "from 1 to 1000"),
        (lambda i: i.list("order", customer_id=1, cursor="x!"), "none of ours"),
    ],
)
def test_what_fits_no_key_is_told_in_one_line(items: Items, ask: Callable[[Any], object], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        ask(items)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_cursor_is_of_its_query_only(items: Items, customer: int) -> None:
    cursor = items.list("order", customer_id=customer, page_size=1).cursor
    assert cursor is not None
    items.list("order", customer_id=customer, page_size=2, cursor=cursor)
    others: list[Callable[[], Page]] = [
        lambda: items.list("order", customer_id=customer + 1, cursor=cursor),
        lambda: items.list("order", customer_id=customer, cursor=cursor, reverse=True),
        lambda: items.list("review", product_id=1, cursor=cursor),
    ]
    for ask in others:
        with pytest.raises(UsageError, match="of another query"):
            ask()


def test_without_catalog_and_snapshot_it_is_told(
    shop: ReadShop, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path))
    with pytest.raises(StageError, match="crossover snapshot"):
        Items(MAPPING)
    damaged = tmp_path / "catalog.json"
    damaged.write_text("{}")
    with pytest.raises(UsageError, match="write it again"):
        Items(MAPPING, catalog=damaged)
