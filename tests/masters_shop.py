"""A small shop whose master either store can be: its tables, the guard and the mirror as a switch makes them."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from pydantic import JsonValue

from pipelines.mapping.load import load_mapping
from pipelines.masters import Masters
from pipelines.reading import save_catalog
from pipelines.tables import create_tables
from pipelines.target.control_table import ControlTable, Key, Row

SCHEMA = """
CREATE TABLE orders (order_id bigint PRIMARY KEY, customer_id bigint NOT NULL, status text NOT NULL, total numeric,
    placed_at timestamptz, note text);
CREATE TABLE lines (order_id bigint, line_no int, sku text NOT NULL, PRIMARY KEY (order_id, line_no));
CREATE TABLE counters (name text PRIMARY KEY, n bigint NOT NULL);
"""

MAPPING = """
migration: masters
target:
  tables:
    app:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      indexes: {gsi1: {partition_key: {name: gsi1pk, type: S}}}
items:
  order:
    table: app
    from: orders
    key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{order_id:05}"}
    set: {entity: order, gsi1pk: "{placed_at:%Y-%m-%d}#{status}"}
    embed:
      lines: {from: lines, on: {order_id: order_id}, as: list, exclude: [order_id]}
  counter:
    table: app
    from: counters
    key: {pk: "COUNTER", sk: "{name:lower}"}
"""

GROUPS = {"order": ("orders", "lines"), "counter": ("counters",)}

GUARD = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'not the master' USING ERRCODE = 'XV001';
END $$
"""


@dataclass(frozen=True)
class Shop:
    folder: Path
    url: str
    client: Any

    def masters(self, dynamodb: Any = None, **options: Any) -> Masters:
        return Masters(self.folder / "masters.yaml", dynamodb or self.client, catalog=self.folder / "c.json", **options)

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def say(self, phase: str, group: str = "order", *, fenced: bool = False, epoch: int = 3) -> None:
        """The mirror's row."""
        document: dict[str, JsonValue] = {"phase": phase, "fenced": fenced, "item_types": [group], "epoch": epoch}
        ControlTable.of("masters", self.client).put(Row(Key("writes", group), document))

    def guard(self, group: str = "order") -> None:
        for table in GROUPS[group]:
            self.run(f"CREATE TRIGGER guard BEFORE INSERT ON {table} EXECUTE FUNCTION refuse()")

    def unguard(self, group: str = "order") -> None:
        for table in GROUPS[group]:
            self.run(f"DROP TRIGGER guard ON {table}")

    def at(self, pk: str, sk: str) -> dict[str, Any] | None:
        found = self.client.get_item(TableName="app", Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True)
        item: dict[str, Any] | None = found.get("Item")
        return item

    def all(self) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("scan").paginate(TableName="app", ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def empty(self) -> Shop:
        """As at the beginning, in an endpoint that is empty: without a control table."""
        for group in GROUPS.values():
            for table in group:
                self.run(f"DROP TRIGGER IF EXISTS guard ON {table}; TRUNCATE {table}")
        (self.folder / "stop").unlink(missing_ok=True)
        create_tables(load_mapping(self.folder / "masters.yaml"), self.client)
        return self


def opened_shop(folder: Path, url: str) -> Shop:
    """Once; DynamoDB's variables are set."""
    mapping = folder / "masters.yaml"
    mapping.write_text(MAPPING)
    with psycopg.connect(url) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute(GUARD.encode())
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("CROSSOVER_SOURCE_URL", url)
        save_catalog(mapping, folder / "c.json")
    return Shop(folder, url, boto3.client("dynamodb"))


def with_control_table(shop: Shop) -> Shop:
    ControlTable.of("masters", shop.client).create()
    return shop


def in_threads(*jobs: Any) -> None:
    """All at once, to their end; the first error is raised."""
    errors: list[BaseException] = []

    def run(job: Any) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def write_on(shop_folder: str, url: str, name: str, numbers: range, lease_seconds: float) -> None:
    """A process of an application: orders with these numbers, one after the other, each to the master. It prints
    nothing and ends when all are written, or the file `stop` is there."""
    with psycopg.connect(url, autocommit=True) as connection:
        folder = Path(shop_folder)
        masters = Masters(folder / "masters.yaml", catalog=folder / "c.json", lease_seconds=lease_seconds)
        for number in numbers:
            if (folder / "stop").exists():
                return

            def rds(number: int = number) -> str:
                connection.execute("INSERT INTO orders VALUES (%s, 1, %s)", (number, name))
                return "rds"

            def dynamodb(items: Any, number: int = number) -> str:
                items.put("order", {"order_id": number, "customer_id": 1, "status": name})
                return "dynamodb"

            masters.write("order", rds=rds, dynamodb=dynamodb)
            with (folder / f"done.{os.getpid()}").open("a") as done:
                done.write(f"{number}\n")
