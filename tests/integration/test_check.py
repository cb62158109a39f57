"""The mapping against a live schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pipelines.check import check
from pipelines.errors import MappingError, SourceError
from pipelines.items.source_type import Encoding
from pipelines.mapping.load import load_mapping, parse_mapping
from pipelines.mapping.plan import ColumnValue
from pipelines.source import privileges

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


CLOSED = """
CREATE TABLE open (id int PRIMARY KEY, name text);
CREATE TABLE half (id int PRIMARY KEY, name text, secret text);
CREATE TABLE shut (id int PRIMARY KEY);
CREATE SCHEMA back; CREATE TABLE back.room (id int PRIMARY KEY);
GRANT SELECT ON open, back.room TO "the reader"; GRANT SELECT (id, secret) ON half TO "the reader";
"""
CLOSED_MAPPING = """
migration: closed
target: {tables: {ttt: {partition_key: {name: pk, type: S}}}}
items:
  a: {table: ttt, from: open, key: {pk: "A#{id}"}}
  b: {table: ttt, from: half, key: {pk: "B#{id}"}, exclude: [secret]}
  c: {table: ttt, from: shut, key: {pk: "C#{id}"}}
  d: {table: ttt, from: {schema: back, table: room}, key: {pk: "D#{id}"}}
"""


@pytest.fixture
def reader(connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """May read some of what CLOSED_MAPPING takes."""
    connection.execute(f'CREATE ROLE "the reader"; {CLOSED}'.encode())
    connection.execute('SET ROLE "the reader"')
    yield connection
    connection.execute('RESET ROLE; DROP OWNED BY "the reader"; DROP ROLE "the reader"')


def test_what_the_role_may_not_read_is_named_with_the_grant(reader: psycopg.Connection) -> None:
    mapping = parse_mapping(CLOSED_MAPPING, "closed.yaml")
    with pytest.raises(SourceError) as refused:
        check(mapping, reader)
    told, _, problems = str(refused.value).partition("mapped: ")
    assert told == "source: role the reader may not read all that is "
    where, grants = zip(*(problem.split(": ") for problem in problems.split("; ")), strict=True)
    assert where == ("public.half, columns name", "public.shut", "schema back")
    assert list(grants) == [
        'GRANT SELECT ("name") ON TABLE "public"."half" TO "the reader"',
        'GRANT SELECT ON TABLE "public"."shut" TO "the reader"',
        'GRANT USAGE ON SCHEMA "back" TO "the reader"',
    ]
    reader.execute("RESET ROLE")
    for grant in grants:
        reader.execute(grant.encode())
    reader.execute('SET ROLE "the reader"')
    assert len(check(mapping, reader).items) == 4


def test_row_level_security_that_hides_rows_is_named(reader: psycopg.Connection) -> None:
    reader.execute("RESET ROLE; ALTER TABLE open ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON open USING (id < 3)")
    reader.execute('SET ROLE "the reader"')
    told = r'public\.open: row-level security hides rows from it: ALTER ROLE "the reader" BYPASSRLS'
    with pytest.raises(SourceError, match=told):
        check(parse_mapping(CLOSED_MAPPING, "closed.yaml"), reader)


def test_rights_to_columns_do_not_suffice_for_a_table_that_is_read_in_ranges(
    reader: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.execute("RESET ROLE; INSERT INTO half SELECT n, 'x' FROM generate_series(1, 1000) n")
    reader.execute('GRANT SELECT (name) ON half TO "the reader"; SET ROLE "the reader"')
    mapping = parse_mapping(CLOSED_MAPPING, "closed.yaml")
    monkeypatch.setattr(privileges, "PART_PAGES", 2)
    with pytest.raises(SourceError, match=r'half: a table of this size .*: GRANT SELECT ON TABLE "public"."half"'):
        check(mapping, reader)
    monkeypatch.setattr(privileges, "PART_PAGES", 200)
    with pytest.raises(SourceError) as refused:
        check(mapping, reader)
    assert "half" not in str(refused.value)
