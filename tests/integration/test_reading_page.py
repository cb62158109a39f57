"""docs/reading.md is what happens: its examples and recipes run, in the page's order."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.target.embedded import EmbeddedDynamoDB
from tests.read_shop import MAPPING, plant_tombstone, read_shop

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "reading.md"
BLOCK = re.compile(r"^(?:#+ (?P<title>[^\n]+)|```python\n(?P<code>.*?)^```)$", re.MULTILINE | re.DOTALL)
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
    title, ran = "", []
    with read_shop(postgres_server, dynamodb_server.environment(), tmp_path) as shop:
        plant_tombstone("shop", pk={"S": "CUSTOMER#28"}, sk={"S": "ORDER#0000000099"})
        for match in BLOCK.finditer(PAGE.read_text()):
            title = match["title"] or title
            if match["code"]:
                exec(compile(match["code"], f"docs/reading.md, {title}", "exec"), names)
                ran.append(title)
        (row,) = shop.rows(
            "SELECT sum(shipping_cost) AS total FROM orders WHERE customer_id = 28 AND status <> 'draft'"
        )
    assert set(RECIPES) <= set(ran)
    assert names["shipping"] == row["total"]
