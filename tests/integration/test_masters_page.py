"""docs/masters.md is what happens: its examples run, in the page's order, with the switch where the page has it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

from pipelines.mapping.catalog import Catalog
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.groups import groups_of
from pipelines.mapping.load import load_mapping
from pipelines.target.control_table import ControlTable, Key, Row
from pipelines.target.embedded import EmbeddedDynamoDB
from tests.masters_shop import GUARD
from tests.page_blocks import run_blocks
from tests.read_shop import MAPPING, read_shop

pytestmark = pytest.mark.integration

SWITCH = "When DynamoDB is the master"


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
    ran: list[str] = []
    with read_shop(postgres_server, dynamodb_server.environment(), tmp_path) as shop:
        monkeypatch.setenv("DATABASE_URL", shop.url.replace("postgresql://", "postgresql+psycopg://"))
        for title, has_run in run_blocks("masters.md", names):
            if title == SWITCH and not has_run:
                switch(shop.url, tmp_path)
            if has_run:
                ran.append(title)
        names["engine"].dispose()
        (row,) = shop.rows("SELECT name FROM customers WHERE customer_id = 28")
    assert row["name"] == "Ann Smith"  # what came after the switch is in DynamoDB alone
    assert SWITCH in ran and "Coroutines" in ran and len(ran) == 6


def switch(url: str, folder: Path) -> None:
    """As `crossover writes` does, but for the waiting."""
    catalog = Catalog.model_validate_json((folder / "shop.catalog.json").read_bytes())
    (group,) = groups_of(compile_mapping(load_mapping(MAPPING), catalog))
    with psycopg.connect(url) as connection:
        connection.execute(GUARD.encode())
        for table in group.tables:
            connection.execute(
                f"CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION refuse()".encode()
            )
    control = ControlTable.of("shop", boto3.client("dynamodb"))
    control.create()
    control.put(
        Row(
            Key("writes", group.name),
            {"phase": "dynamodb_first", "fenced": False, "item_types": list(group.item_types), "epoch": 1},
        )
    )
