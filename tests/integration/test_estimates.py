"""A mapping measured on a real PostgreSQL: as exact as the independent oracle where all rows are read, bounded where
they are not, and never at a loss."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from examples.shop.generate import load
from pipelines.assess.collect.collect import collect
from pipelines.assess.estimates import children, roots
from pipelines.assess.estimates.estimate import type_estimate
from pipelines.assess.estimates.measure import measure
from pipelines.assess.estimates.measured import Group, Measured
from pipelines.assess.schema import Schema
from pipelines.items.reject import RejectReason
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.load import load_mapping, parse_mapping
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog
from tests.oracle.canonical_items import size_of
from tests.oracle.shop_expectations import expected_items
from tests.oracle.shop_rows import read_shop

pytestmark = pytest.mark.integration

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"
LONG = 600.0
"""Seconds: so many that none of these samples is cut short."""

ONE = """
migration: one
target: {tables: {one: {partition_key: {name: pk, type: S}}}}
items:
  thing: {table: one, from: things, key: {pk: "T#{id}"}}
"""


def run(url: str, *statements: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def measured(
    url: str, text: str, *, seconds: float = LONG, rows: int = roots.SAMPLED_ROWS, schema: str = "public"
) -> Measured:
    evidence = collect(url, [schema], with_statements=False).evidence
    mapping = parse_mapping(text, "test.yaml")
    with closing(connect(url)) as connection:  # views are no part of the evidence, but a mapping may name one
        plan = compile_mapping(mapping, read_catalog(connection, tables_used(mapping)))
    return measure(url, mapping, plan, Schema(evidence), seconds=seconds, rows=rows)


def oracle_sizes(url: str) -> dict[str, list[int]]:
    """Of every item by its type, from plain SQL and plain Python."""
    found: dict[str, list[int]] = defaultdict(list)
    for table, item in expected_items(read_shop(url)):
        found["catalog_entry" if table == "catalog" else item["entity"]].append(size_of(item))
    return {name: sorted(sizes) for name, sizes in found.items()}


def test_the_shop_is_as_large_as_an_independent_oracle_says(database_url: str) -> None:
    load(database_url, 0.05)
    found = measured(database_url, SHOP.read_text(encoding="utf-8"))
    expected = oracle_sizes(database_url)
    assert set(found.types) == set(expected) == set(load_mapping(SHOP).items)
    for name, sizes in expected.items():
        one = type_estimate(found.types[name])
        assert (one.items, one.items_exact, one.sampled, one.rejected) == (len(sizes), True, len(sizes), 0), name
        assert one.mean_bytes == pytest.approx(sum(sizes) / len(sizes)), name
        assert one.p50_bytes == sizes[math.ceil(len(sizes) * 0.5) - 1], name
        assert one.p99_bytes == sizes[math.ceil(len(sizes) * 0.99) - 1], name
        assert one.max_bytes == sizes[-1], name
    assert found.notes == ()
    # an empty name leaves a product out of gsi1; a review has no key of it
    products = [item for _, item in expected_items(read_shop(database_url)) if item.get("entity") == "product"]
    within = [size_of(item) for item in products if "gsi1sk" in item]
    index = found.types["product"].sizes.indexes["gsi1"]
    assert index.share == len(within) / len(products)
    assert index.mean_bytes == pytest.approx(sum(within) / len(within))
    assert found.types["review"].sizes.indexes["gsi1"].share == 0


def test_children_are_counted(database_url: str) -> None:
    load(database_url, 0.05)
    found = measured(database_url, SHOP.read_text(encoding="utf-8"))
    group = found.groups[Group(TableRef(schema_name="public", table="order_items"), ("order_id",))]
    with closing(psycopg.connect(database_url)) as connection:
        counts = sorted(
            int(count) for (count,) in connection.execute("SELECT count(*) FROM order_items GROUP BY order_id")
        )
    assert group.exact
    assert (group.groups, group.most) == (len(counts), counts[-1])
    assert group.mean == pytest.approx(sum(counts) / len(counts))
    assert group.p99 == counts[math.ceil(len(counts) * 0.99) - 1]


@pytest.fixture
def large(database_url: str) -> str:
    """20,000 things in about 1,430 pages, with texts of 400 bytes on the first and 600 on the last; one of four is
    old."""
    run(
        database_url,
        "CREATE TABLE things (id int PRIMARY KEY, state text, note text)",
        "INSERT INTO things SELECT n, CASE n % 4 WHEN 0 THEN 'old' ELSE 'new' END, repeat('x', 400 + n / 100)"
        " FROM generate_series(1, 20000) n",
        "ANALYZE things",
    )
    return database_url


def pages_read(url: str, table: str) -> int:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute(
            "SELECT heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE relname = %s", (table,)
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_large_table_is_sampled_by_its_pages(large: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither counted nor read whole: 400 of its rows, 28 pages, are drawn, and each is then looked up by its key."""
    monkeypatch.setattr(roots, "COUNTED_ROWS", 1_000)
    before = pages_read(large, "things")
    found = measured(large, ONE, rows=400).types["thing"]
    assert pages_read(large, "things") - before < 28 * 2 + 600
    assert (found.exact, found.random, found.rows) == (False, True, 20_000)
    assert 200 <= found.sampled <= 400
    # pk and id, state and note, with their names
    assert found.sizes.mean_bytes == pytest.approx(2 + 7 + 2 + 3 + 5 + 3 + 4 + 500, rel=0.06)


def test_the_share_that_passes_where_is_estimated_too(large: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "COUNTED_ROWS", 1_000)
    text = ONE.replace("from: things,", "from: things, where: \"state = 'old'\",")
    found = measured(large, text, rows=400).types["thing"]
    assert not found.exact
    assert found.rows == pytest.approx(5_000, rel=0.05)
    assert found.sampled >= 100


def test_the_rows_that_pass_where_are_counted(large: str) -> None:
    text = ONE.replace("from: things,", "from: things, where: \"state = 'old'\",")
    found = measured(large, text, rows=50).types["thing"]
    assert (found.rows, found.exact) == (5_000, True)
    assert 1 <= found.sampled <= 50


def test_empty_pages_are_no_end(large: str) -> None:
    """Of 20,000 rows 500 are left, on the first pages, 31 of 1,430; the sample is drawn wider until it has enough."""
    run(large, "DELETE FROM things WHERE id > 500", "VACUUM (TRUNCATE false, ANALYZE) things")
    found = measured(large, ONE, rows=10).types["thing"]
    assert (found.rows, found.exact) == (500, True)
    assert found.sampled >= 5


def test_without_time_the_statistics_must_do(large: str) -> None:
    found = measured(large, ONE, seconds=0.0)
    one = found.types["thing"]
    assert (one.rows, one.exact, one.sampled) == (20_000, False, 0)
    assert one.sizes.mean_bytes == pytest.approx(4 + 2 + 4 + 5 + 501 + 4 + 4, abs=6)
    assert found.notes == ("thing: no item was built, sizes are those of the statistics: no time was left for it",)


@pytest.mark.parametrize("grouped", [100, 1_000])
def test_more_rows_than_are_grouped_are_told_by_the_statistics(
    database_url: str, monkeypatch: pytest.MonkeyPatch, grouped: int
) -> None:
    """Of about 1,600: known before, or found while they are read."""
    monkeypatch.setattr(children, "GROUPED_ROWS", grouped)
    load(database_url, 0.1)
    found = measured(database_url, SHOP.read_text(encoding="utf-8"))
    group = found.groups[Group(TableRef(schema_name="public", table="order_items"), ("order_id",))]
    assert not group.exact
    assert group.mean == pytest.approx(group.rows / group.groups)
    assert group.p99 is None


def test_rejects_are_counted_and_no_value_is_kept(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id int PRIMARY KEY, ratio float8, note text)",
        "INSERT INTO things SELECT n, CASE WHEN n <= 3 THEN float8 'NaN' ELSE n END, 's3kr1t'"
        " FROM generate_series(1, 10) n",
    )
    found = measured(database_url, ONE)
    one = found.types["thing"]
    assert (one.rejects, one.sampled, one.items) == ({RejectReason.NOT_A_NUMBER: 3}, 10, 7.0)
    assert "s3kr1t" not in repr(found)


ODD = """
migration: odd
source: {schema: "odd.schema"}
target:
  tables:
    odd: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}
items:
  wide: {table: odd, from: 'wide "%s" table', key: {pk: "W#{id}", sk: W}}
  empty: {table: odd, from: empty, key: {pk: "E#{id}", sk: E}}
  keyless: {table: odd, from: keyless, source_key: [note], key: {pk: "K#{note}", sk: K}}
  parted: {table: odd, from: parted, key: {pk: "P#{id}", sk: P}}
  viewed: {table: odd, from: v, source_key: [id], key: {pk: "V#{id}", sk: V}}
  stored: {table: odd, from: m, source_key: [id], key: {pk: "M#{id}", sk: M}}
  denied: {table: odd, from: denied, key: {pk: "D#{id}", sk: D}}
"""


@pytest.fixture
def odd(database_url: str) -> Iterator[str]:
    """The URL of a role that may not read `denied`."""
    wide = ", ".join(f"\"column {n}\" text DEFAULT 'x'" for n in range(1000))
    database = database_url.rpartition("/")[2]
    role = f"reader_of_{database}"
    run(
        database_url,
        'CREATE SCHEMA "odd.schema"',
        f'CREATE TABLE "odd.schema"."wide ""%s"" table" (id int PRIMARY KEY, {wide})',
        'INSERT INTO "odd.schema"."wide ""%s"" table" SELECT n FROM generate_series(1, 20) n',
        'CREATE TABLE "odd.schema".empty (id int PRIMARY KEY)',
        'CREATE TABLE "odd.schema".keyless (note text)',
        "INSERT INTO \"odd.schema\".keyless VALUES ('a'), ('b'), ('b'), (NULL)",
        'CREATE TABLE "odd.schema".parted (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)',
        'CREATE TABLE "odd.schema".part PARTITION OF "odd.schema".parted DEFAULT',
        "INSERT INTO \"odd.schema\".parted SELECT n, date '2025-01-01' FROM generate_series(1, 30) n",
        'CREATE VIEW "odd.schema".v AS SELECT * FROM "odd.schema".parted',
        'CREATE MATERIALIZED VIEW "odd.schema".m AS SELECT * FROM "odd.schema".parted',
        'CREATE TABLE "odd.schema".denied (id int PRIMARY KEY)',
        'INSERT INTO "odd.schema".denied VALUES (1)',
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'",
        f'GRANT USAGE ON SCHEMA "odd.schema" TO {role}',
        f'GRANT SELECT ON ALL TABLES IN SCHEMA "odd.schema" TO {role}',
        f'REVOKE ALL ON "odd.schema".denied FROM {role}',
    )
    host = database_url.rpartition("@")[2]
    yield f"postgresql://{role}:x@{host}"
    run(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_odd_tables(odd: str) -> None:
    found = measured(odd, ODD, schema="odd.schema")
    denied = found.types["denied"]
    assert (denied.exact, denied.sampled) == (False, 0)
    seen = {name: (one.rows, one.sampled, one.rejected) for name, one in found.types.items() if one.exact}
    assert seen == {
        "wide": (20, 20, 0),
        "empty": (0, 0, 0),
        "keyless": (4, 4, 3),
        "parted": (30, 30, 0),
        "viewed": (30, 30, 0),
        "stored": (30, 30, 0),
    }
    assert found.types["keyless"].rejects == {RejectReason.DUPLICATE_KEY: 2, RejectReason.KEY_NULL_OR_EMPTY: 1}
    assert found.types["wide"].sizes.mean_bytes > 9_000
    (note,) = found.notes
    assert note.startswith("denied: no item was built, sizes are those of the statistics: permission denied for table")


def test_of_a_view_that_is_not_counted_the_first_rows_are_taken(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "COUNTED_ROWS", 10)
    found = measured(odd, ODD, schema="odd.schema", rows=5)
    viewed, stored, parted = (found.types[name] for name in ("viewed", "stored", "parted"))
    assert (viewed.exact, viewed.random, viewed.sampled) == (False, False, 5)
    assert viewed.rows > 0
    assert (stored.exact, stored.random, parted.exact, parted.random) == (False, True, False, True)
    assert any(note.startswith("viewed: of a view the first rows were taken") for note in found.notes)
