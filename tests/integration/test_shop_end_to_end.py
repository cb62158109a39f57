"""The whole chain on the example shop, judged by the independent check: what arrives in DynamoDB is what plain SQL
and plain Python expect, nothing differs before anything was planted, and then exactly what was planted differs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from examples.shop.generate import load
from examples.shop.plant import plant
from pipelines.backfill import run_backfill
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.dump import dump_tables
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.tables import create_tables
from pipelines.warehouse.manifest import BackfillManifest, DiffManifest
from tests.on_disk import on_disk
from tests.oracle.independent_check import check_shop, expected_shop
from tests.torture import TORTURE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.integration

MAPPING = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"


@dataclass(frozen=True)
class Shop:
    """A shop in PostgreSQL at `url`, and where it is to go."""

    url: str
    migration: Migration
    client: DynamoDBClient
    spark: SparkSession

    def migrate(self) -> BackfillManifest:
        create_tables(self.migration.mapping, self.client)
        snapshot = take_snapshot(self.migration, self.url)
        make_records(self.migration, self.spark, snapshot.id)
        return run_backfill(self.migration, in_process, snapshot_id=snapshot.id, mode="cold")

    def verify(self) -> DiffManifest:
        dump = dump_tables(self.migration, in_process)
        return run_diff(self.migration, in_process, dump_id=dump.id)


@pytest.fixture
def shop(
    database_url: str,
    dynamodb_environment: str,
    spark: SparkSession,
    warehouse: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    return Shop(database_url, Migration.open(MAPPING, warehouse), boto3.client("dynamodb"), spark)


def test_what_differs_is_what_was_planted(shop: Shop) -> None:
    load(shop.url, 0.1)
    backfill = shop.migrate()
    assert check_shop(shop.url, shop.client) == []

    before = shop.verify()
    assert before.consistent, before.reasons
    assert before.differences == 0
    assert before.verdicts.match == before.union == backfill.written == len(expected_shop(shop.url))

    planted = plant(shop.client, seed=5, each=2)
    after = shop.verify()
    assert not after.consistent
    assert found(on_disk(shop.migration.folder.diff(after.id))) == {
        (fault.table, fault.key, fault.verdict, frozenset(fault.paths)) for fault in planted
    }
    assert after.differences == len(planted)


@pytest.mark.skipif(not TORTURE, reason="make torture; at a tenth the other test does it")
def test_every_item_of_the_shop_at_scale_one_arrives_as_expected(shop: Shop) -> None:
    load(shop.url)
    backfill = shop.migrate()
    assert backfill.written == backfill.records == len(expected_shop(shop.url)) > 7_500
    assert check_shop(shop.url, shop.client) == []


Found = tuple[str, str, str, frozenset[tuple[str, str]]]


def found(diff_folder: Path) -> set[Found]:
    """(table, key, verdict, paths) of each difference of a finished run."""
    files = sorted((diff_folder / "differences").glob("*.parquet"))
    rows = ds.dataset(files).to_table(["table", "key", "verdict", "paths"]).to_pylist()
    return {
        (
            row["table"],
            row["key"],
            row["verdict"],
            frozenset((path["path"], path["kind"]) for path in row["paths"] or ()),
        )
        for row in rows
    }
