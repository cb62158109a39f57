"""The example service: what it commits is in both stores, and it knows of Crossover in one place."""

from __future__ import annotations

import logging
from pathlib import Path

import psycopg
import pytest

from examples.orders_service.__main__ import MAPPING, main
from pipelines.capture import install_capture
from pipelines.migration import Migration
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from tests.delivered_shop import stored

pytestmark = pytest.mark.integration

SCHEMA = MAPPING.with_name("schema.sql").read_text(encoding="utf-8")
ROWS = """
INSERT INTO categories VALUES (1, NULL, 'paper', 'Paper', 1);
INSERT INTO products (product_id, category_id, sku, name, price, cost, stock, in_stock, changed_at)
    VALUES (7, 1, 'PEN', 'Pen', 1.50, 1, 3, true, now()), (8, 1, 'INK', 'Ink', 9, 1, 1, true, now());
INSERT INTO customers (customer_id, public_id, name, email, password_hash, country, balance, created)
    VALUES (5, gen_random_uuid(), 'Ann', 'ann@example.org', 'x', 'DE', 0, now());
"""


@pytest.fixture
def shop(database_url: str, dynamodb_environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    with psycopg.connect(database_url) as connection:
        connection.execute((SCHEMA + ROWS).encode())
    migration = Migration.open(MAPPING)
    install_capture(migration, database_url)
    create_tables(migration.mapping, dynamodb_client())
    return database_url


def test_orders_are_in_both_stores_once_they_are_placed(shop: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert main(["place", "5", "7=2", "8"]) == 0
        item = stored("shop")["CUSTOMER#5/ORDER#0000000001"]
        assert [line["M"]["product"]["M"]["name"]["S"] for line in item["lines"]["L"]] == ["Pen", "Ink"]
        assert stored("shop")["CUSTOMER#5/PROFILE"]["orders"]["L"] == [{"S": "ORDER#0000000001"}]
        assert stored("shop")["PRODUCT#8/DETAILS"]["in_stock"] == {"BOOL": False}
        assert main(["ship", "1"]) == 0
        assert stored("shop")["CUSTOMER#5/ORDER#0000000001"]["status"] == {"S": "shipped"}
        assert main(["rename", "5", "Anna"]) == 0
        assert stored("shop")["CUSTOMER#5/PROFILE"]["name"] == {"S": "Anna"}
    assert "order 1 is placed" in caplog.text and "left to the relay: {}" in caplog.text


def test_what_cannot_be_done_is_said_in_one_line(shop: str, caplog: pytest.LogCaptureFixture) -> None:
    assert [main(["place", "5", "8=2"]), main(["ship", "1"]), main(["rename", "6", "Bob"])] == [2, 2, 2]
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ["product 8: 1 in stock, 2 asked for", "there is no order 1", "there is no customer 6"]
    assert stored("shop") == {}


def test_it_knows_of_crossover_in_one_place() -> None:
    files = {
        path.name: path.read_text(encoding="utf-8") for path in (MAPPING.parents[1] / "orders_service").glob("*.py")
    }
    assert [name for name, text in files.items() if "import" in text and "pipelines" in text] == ["__main__.py"]


@pytest.mark.parametrize(("url", "problem"), [(None, "CROSSOVER_SOURCE_URL is not set"), ("nowhere", "no URL")])
def test_a_setting_that_is_wrong_is_said_in_one_line(
    url: str | None, problem: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CROSSOVER_SOURCE_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("CROSSOVER_SOURCE_URL", url)
    assert main(["ship", "1"]) == 2
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert problem in error and "\n" not in error
