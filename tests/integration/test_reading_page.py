"""docs/reading.md is what happens: its examples and recipes run, in the page's order."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.target.embedded import EmbeddedDynamoDB
from tests.page_blocks import run_blocks
from tests.read_shop import MAPPING, plant_tombstone, read_shop

pytestmark = pytest.mark.integration

RECIPES = ["Joins", "Aggregations", "Uniqueness", "Counters", "Transactions", "Pagination"]


def test_every_example_of_the_page_runs(
    postgres_server: str,
    dynamodb_server: EmbeddedDynamoDB,
    dynamodb_environment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(MAPPING, tmp_path / "shop.yaml")
    names: dict[str, Any] = {}
    with read_shop(postgres_server, dynamodb_server.environment(), tmp_path) as shop:
        plant_tombstone("shop", pk={"S": "CUSTOMER#28"}, sk={"S": "ORDER#0000000099"})
        ran = [title for title, has_run in run_blocks("reading.md", names) if has_run]
        (row,) = shop.rows(
            "SELECT sum(shipping_cost) AS total FROM orders WHERE customer_id = 28 AND status <> 'draft'"
        )
    assert set(RECIPES) <= set(ran)
    assert names["shipping"] == row["total"]
