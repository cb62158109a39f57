"""DuckDB counts what Spark counts, and leaves to Spark what it would spell otherwise."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.bulk_accounts import count_use
from pipelines.mapping.local_accounts import CountedBySparkError, count_locally
from pipelines.migration import Migration
from pipelines.warehouse.source_tables import SnapshotTables
from tests.bulk_snapshot import HandMade, Row, plain, source_table
from tests.on_disk import on_disk

pytestmark = pytest.mark.integration

PRICE = SourceType(name="numeric(8,2)", kind=Kind.NUMERIC, precision=8, scale=2)
PARENTS = source_table(
    "parents",
    {"id": plain(Kind.INTEGER), "code": plain(Kind.CHAR), "state": plain(Kind.TEXT), "born": plain(Kind.DATE)},
    ["id"],
)
CHILDREN = source_table(
    "children",
    {
        "id": plain(Kind.INTEGER),
        "parent": plain(Kind.INTEGER),
        "code": plain(Kind.TEXT),
        "good": plain(Kind.BOOLEAN),
        "price": PRICE,
        "score": plain(Kind.FLOAT8),
        "gone": plain(Kind.TIMESTAMPTZ),
    },
    ["id"],
)
TOYS = source_table("toys", {"id": plain(Kind.INTEGER), "child": plain(Kind.INTEGER), "price": PRICE}, ["id"])

MAPPING = """
migration: m
target: {tables: {ttt: {partition_key: {name: pk, type: S}, billing: on_demand}}}
items:
  parent:
    table: ttt
    from: parents
    where: "state <> 'it''s \\"gone\\"' AND id >= 0"
    key: {pk: "P{id}"}
    embed:
      children:
        from: children
        where: "NOT (good = false) OR gone IS NOT NULL"
        on: {parent: id}
        as: list
        order_by: [-score, price]
        limit: 2
        embed:
          toys: {from: toys, on: {child: id}, as: list, order_by: [-price], limit: 2, value: "{id}"}
          again: {from: children, on: {id: id}, as: map, hidden: true}
      pairs: {from: children, on: {code: code, parent: id}, as: set, value: "{id}"}
  child:
    table: ttt
    from: children
    key: {pk: "C{id}"}
    embed: {owner: {from: parents, on: {id: parent}, as: map, include: [state]}}
  dear:
    table: ttt
    from: toys
    where: "price > 1.5"
    key: {pk: "T{id}"}
    embed: {same: {from: toys, on: {price: price}, as: list, value: "{id}"}}
"""


def made_up() -> HandMade:
    chance = random.Random(7)
    states = ['it\'s "gone"', "new", "", None]
    parents: list[Row] = [
        {"id": n, "code": chance.choice(["a  ", "b  ", "   ", None]), "state": chance.choice(states)}
        for n in range(-3, 40)
    ]
    children: list[Row] = [
        {
            "id": n,
            "parent": chance.choice([None, *range(60)]),
            "code": chance.choice(["a", "b", "b ", "", None]),
            "good": chance.choice([True, False, None]),
            "price": chance.choice(["NaN", "1.50", "10.00", "-2.00", None]),
            "score": chance.choice(["NaN", "Infinity", "-0", "0", "1e+20", "-1.5e-07", "2", "10", None]),
            "gone::raw": chance.choice([None, None, "infinity"]),
        }
        for n in range(150)
    ]
    toys: list[Row] = [
        {"id": n, "child": chance.choice([None, *range(200)]), "price": chance.choice(["NaN", "2.00", "10.00"])}
        for n in range(300)
    ]
    return HandMade({PARENTS: parents, CHILDREN: children, TOYS: toys})


def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Migration:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return Migration.open(path)


@pytest.mark.parametrize("item_type", ["parent", "child"])
def test_both_count_the_same(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, item_type: str
) -> None:
    migration, rows = opened(tmp_path, monkeypatch), made_up()
    tables = SnapshotTables(spark, migration.folder.snapshot("s"), rows.write(migration, "s"))
    item = rows.plan(migration).item(item_type)
    counted = count_locally(item, tables.for_duckdb, 256, tmp_path)
    assert {item_type: counted} == count_use([item], tables)
    assert all(embed.embedded > 0 for embed in counted.embeds)


def test_what_is_not_spelled_the_same_is_left_to_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numerics stand in the files as texts: `2.00` and `2` would be two prices."""
    migration, rows = opened(tmp_path, monkeypatch), made_up()
    folder = on_disk(migration.folder.snapshot("s"))
    rows.write(migration, "s")
    with pytest.raises(CountedBySparkError):
        count_locally(
            rows.plan(migration).item("dear"), lambda table: sorted((folder / table.ref.table).iterdir()), 256, tmp_path
        )


def test_columns_that_differ_by_case_alone_are_left_to_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB takes `State` for `state`."""
    migration = opened(tmp_path, monkeypatch)
    types = {column.name: column.type for column in PARENTS.columns} | {"State": plain(Kind.TEXT)}
    rows = HandMade({source_table("parents", types, ["id"]): [], CHILDREN: [], TOYS: []})
    rows.write(migration, "s")
    folder = on_disk(migration.folder.snapshot("s"))
    with pytest.raises(CountedBySparkError):
        count_locally(
            rows.plan(migration).item("parent"),
            lambda table: sorted((folder / table.ref.table).iterdir()),
            256,
            tmp_path,
        )
