"""The example shop in PostgreSQL and its items in DynamoDB, for those who read them; tombstones between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from psycopg.rows import dict_row

from examples.shop.generate import load
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.load import load_mapping
from pipelines.mapping.outcome import Assembled
from pipelines.reading import save_catalog
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog
from pipelines.source.online import read_items
from pipelines.tables import create_tables
from tests.captured_shop import database
from tests.sendable import sendable

MAPPING = Path(__file__).parents[1] / "examples" / "shop" / "shop.yaml"


@dataclass(frozen=True)
class ReadShop:
    url: str
    catalog: Path

    def rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()


@contextmanager
def read_shop(server: str, environment: dict[str, str], folder: Path, scale: float = 0.02) -> Iterator[ReadShop]:
    """The source's variable is set only while the catalog is saved: reads need none."""
    with database(server, "read_shop") as url, pytest.MonkeyPatch.context() as variables:
        for name, value in environment.items():
            variables.setenv(name, value)
        load(url, scale)
        mapping = load_mapping(MAPPING)
        catalog = folder / "shop.catalog.json"
        with pytest.MonkeyPatch.context() as source:
            source.setenv("CROSSOVER_SOURCE_URL", url)
            save_catalog(MAPPING, catalog)
        create_tables(mapping, boto3.client("dynamodb"))
        _write(url)
        yield ReadShop(url, catalog)


def _write(url: str) -> None:
    mapping = load_mapping(MAPPING)
    resource = boto3.client("dynamodb")
    with connect(url) as connection:
        plan = compile_mapping(mapping, read_catalog(connection, tables_used(mapping)))
        for item in plan.items:
            columns = ", ".join(f"{name}::text" for name in item.source_key)
            found = connection.execute(f"SELECT {columns} FROM {item.root.table.ref}".encode()).fetchall()
            keys = [dict(zip(item.source_key, map(str, row), strict=True)) for row in found]
            for one in read_items(connection, item, keys):
                if isinstance(one.outcome, Assembled):
                    resource.put_item(TableName=item.table, Item=own(sendable(json.loads(one.outcome.item))))


def own(item: dict[str, Any]) -> dict[str, Any]:
    """With Crossover's own attributes."""
    return item | {"_v": {"N": "1"}, "_s": {"S": "{}"}, "_ttl": {"N": "4102444800"}}


def plant_tombstone(table: str, **key: dict[str, str]) -> None:
    marks: dict[str, Any] = {"_deleted": {"BOOL": True}, "_v": {"N": "2"}, "_at": {"N": "1"}}
    boto3.client("dynamodb").put_item(TableName=table, Item={**key, **marks})
