"""The mapping against a live schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pipelines.check import check
from pipelines.errors import MappingError
from pipelines.items.source_type import Encoding
from pipelines.mapping.load import load_mapping, parse_mapping
from pipelines.mapping.plan import ColumnValue

pytestmark = pytest.mark.integration

SHOP = Path(__file__).parents[2] / "examples" / "shop"


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def test_the_shop_compiles(connection: psycopg.Connection) -> None:
    connection.execute((SHOP / "schema.sql").read_text(encoding="utf-8").encode())
    mapping = load_mapping(SHOP / "shop.yaml")
    plan = check(mapping, connection)
    assert [item.name for item in plan.items] == list(mapping.items)
    assert plan.mapping_hash == mapping.meaning_hash()
    columns = {table.ref.table: names for table, names in plan.columns_by_table().items()}
    assert "password_hash" not in columns["customers"]
    assert plan.item("order").sensitive >= {"contact_email", "customer.email", "customer.phone"}


ODD = """\
CREATE SCHEMA "Sales Dept";
CREATE TYPE mood AS ENUM ('sad');
CREATE DOMAIN cents AS bigint;
CREATE TABLE "Sales Dept"."Order" ("Id" cents PRIMARY KEY, "a.b" text, feels mood, "%s {x}" int, tags mood[]);
CREATE VIEW looks AS SELECT "Id" AS id FROM "Sales Dept"."Order";
CREATE TABLE keyless (a int);
"""
ODD_MAPPING = """\
migration: odd
target: {tables: {odd: {partition_key: {name: pk, type: S}}}}
items:
  order:
    table: odd
    from: {schema: Sales Dept, table: Order}
    key: {pk: "O#{Id}"}
    where: '"Id" > 0 AND "a.b" <> ''%'' AND feels IN (''sad'')'
    set: {both: "{a.b:esc}/{feels}"}
    types: {tags: SS}
    embed:
      looks: {from: looks, on: {id: Id}, as: list, order_by: [id]}
"""


def test_odd_names_domains_enums_and_views(connection: psycopg.Connection) -> None:
    connection.execute(ODD.encode())
    root = check(parse_mapping(ODD_MAPPING, "odd.yaml"), connection).item("order").root
    values = {attribute.name: attribute.value for attribute in root.attributes}
    assert isinstance(tags := values["tags"], ColumnValue)
    assert tags.encoding is Encoding.SS
    assert isinstance(id := values["Id"], ColumnValue)
    assert id.encoding is Encoding.N


def test_every_problem_of_a_wrong_mapping(connection: psycopg.Connection) -> None:
    connection.execute(ODD.encode())
    text = ODD_MAPPING.replace("Order}", "order}") + "  k: {table: odd, from: keyless, key: {pk: '{b}'}}\n"
    with pytest.raises(MappingError) as caught:
        check(parse_mapping(text, "odd.yaml"), connection)
    assert [problem.split(": ", 2)[1] for problem in caught.value.problems] == [
        "items.order.from",
        "items.k.from",
        "items.k.key.pk",
    ]
