"""Backfills into dynalite, another maker's DynamoDB: strict, without PartiQL. Skipped where Node is absent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines.backfill import run_backfill
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.dump import dump_tables
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from tests.delivered_shop import Delivering, all_live, assert_equal_stores
from tests.prepared_shop import Prepared, prepare
from tests.shop_writer import sized, write
from tests.stand_ins import dynalite, dynalite_modules

pytestmark = pytest.mark.integration

ITEMS, BUCKETS = 300, 4
TRANSACTIONS = 60


@pytest.fixture
def dynalite_environment(dynamodb_environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    modules = dynalite_modules()
    if modules is None:
        pytest.skip("no Node: dynalite cannot be run")
    if not (modules / "dynalite").is_dir():
        pytest.skip(f"no dynalite: {modules}/dynalite is not there; `make test` makes it")
    with dynalite(tmp_path) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        yield


@pytest.fixture
def shop(
    request: pytest.FixtureRequest,
    database_url: str,
    dynalite_environment: None,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Prepared, Delivering]]:
    """With a snapshot from before the tables were there; captured where the mode is live."""
    is_captured = request.param == "live"
    prepared = prepare(database_url, tmp_path / "prepared", spark, ITEMS, BUCKETS, is_captured=is_captured)
    with prepared.copy("dynalite_shop", tmp_path / "copy", monkeypatch) as shop:
        yield prepared, shop


def assert_consistent(migration: Migration) -> None:
    """The newest snapshot's records, and what is in the tables."""
    diff = run_diff(migration, in_process, dump_id=dump_tables(migration, in_process).id)
    assert diff.consistent, diff.reasons


@pytest.mark.parametrize("shop", ["cold"], indirect=True)
def test_cold(shop: tuple[Prepared, Delivering]) -> None:
    prepared, delivering = shop
    manifest = run_backfill(delivering.shop.migration, in_process)
    assert (manifest.mode, manifest.written, manifest.records) == ("cold", ITEMS, ITEMS)
    assert all_live() == prepared.snapshot
    assert_consistent(delivering.shop.migration)


@pytest.mark.parametrize("shop", ["live"], indirect=True)
def test_live_beside_newer_items(shop: tuple[Prepared, Delivering], spark: SparkSession) -> None:
    delivering = shop[1]
    write(delivering.shop.url, "since", TRANSACTIONS, 1000.0, sized(ITEMS * 4 // 5))
    delivering.drain()
    manifest = run_backfill(delivering.shop.migration, in_process)
    assert (manifest.mode, manifest.conflicts, manifest.failed) == ("live", 0, 0)
    assert manifest.written > 0 < manifest.superseded
    assert delivering.drain().set_apart == ()
    assert_equal_stores(delivering)
    now = take_snapshot(delivering.shop.migration, delivering.shop.url)
    make_records(delivering.shop.migration, spark, now.id, BUCKETS)
    assert_consistent(delivering.shop.migration)
