"""The records of a snapshot from an RDS export are those of a live one, item by item: same keys, same digests."""

from __future__ import annotations

from pathlib import Path

import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from examples.shop.generate import load
from pipelines.denormalise import make_records
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.warehouse.place import Place
from tests.integration.test_rds_export_values import VALUES, fill
from tests.rds_export_fixture.options import ExportOptions
from tests.rds_export_fixture.write import write_export

pytestmark = pytest.mark.integration

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"

# Values that are no number or date for DynamoDB would make each row a reject, and hide what they become.
AS_TEXT = ("n", "n2", "f4", "f8", "d", "ts", "tz", "d_ratio", "d_small", "d_born", "d_seen", "af", "an", "ad", "atz")

TYPES = ", ".join(f"{name}: text" for name in AS_TEXT)
BY_DEFAULT = """
migration: everything
target: {tables: {everything: {partition_key: {name: pk, type: N}}}}
items:
  one: {table: everything, from: everything, key: {pk: "{id}"}}
"""
EVERYTHING = BY_DEFAULT.replace('"{id}"}', f'"{{id}}"}}, types: {{{TYPES}}}')

Records = dict[str, bytes]
Rejects = set[tuple[object, ...]]


def made(migration: Migration, spark: SparkSession, snapshot_id: str) -> tuple[Records, Rejects]:
    make_records(migration, spark, snapshot_id, buckets=2)
    folder = Path(str(migration.folder.records(snapshot_id)))
    records = ds.dataset(sorted((folder / "records").rglob("*.parquet"))).to_table(columns=["key", "digest"])
    names = ["item_type", "source_key", "key", "reason", "attribute"]
    files = sorted((folder / "rejects").rglob("*.parquet"))
    rejects = ds.dataset(files).to_table(columns=names).to_pylist() if files else []
    by_key = dict(zip(records["key"].to_pylist(), records["digest"].to_pylist(), strict=True))
    return by_key, {tuple(row[name] for name in names) for row in rejects}


def both(
    migration: Migration, url: str, spark: SparkSession, location: Path
) -> tuple[tuple[Records, Rejects], tuple[Records, Rejects]]:
    live = take_snapshot(migration, url)
    found = take_snapshot(migration, url, export=Place.of(location))
    return made(migration, spark, live.id), made(migration, spark, found.id)


def test_of_the_shop(database_url: str, spark: SparkSession, warehouse: Path, tmp_path: Path) -> None:
    load(database_url, 0.02)
    options = ExportOptions(time_zone="Asia/Kolkata", batches=2, parts_per_batch=3, part_step=2)
    location = write_export(database_url, tmp_path, options).folder
    live, found = both(Migration.open(SHOP, warehouse), database_url, spark, location)
    assert len(live[0]) > 50
    assert found == live


@pytest.mark.parametrize("mapping", [EVERYTHING, BY_DEFAULT])
def test_of_hostile_values_of_every_type(
    database_url: str, spark: SparkSession, warehouse: Path, tmp_path: Path, mapping: str
) -> None:
    fill(database_url)
    path = tmp_path / "everything.yaml"
    path.write_text(mapping, encoding="utf-8")
    location = write_export(database_url, tmp_path, ExportOptions(batches=3)).folder
    live, found = both(Migration.open(path, warehouse), database_url, spark, location)
    rows = max(map(len, VALUES.values())) + 1
    assert len(live[0]) + len(live[1]) == rows
    assert len(live[0]) > (rows - 3 if mapping is EVERYTHING else 0)
    assert found == live
