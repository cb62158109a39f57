"""An import where capture is on: what the snapshot has not seen comes by the relay, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyspark.sql import SparkSession

from pipelines.backfill import run_backfill
from pipelines.backfill.importing import ImportOptions
from pipelines.capture import install_capture, uninstall_capture
from pipelines.diff import run_diff
from pipelines.dump import dump_tables
from pipelines.errors import StageError, TargetError
from pipelines.fanout import in_process
from pipelines.source.ledger.backfills import begin_sweep
from pipelines.tables import create_tables
from pipelines.target import polling
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.manifest import BackfillManifest
from tests.captured_shop import captured
from tests.delivered_shop import (
    EPOCH,
    MAPPING,
    SCHEMA,
    Delivering,
    assert_equal_stores,
    source_key,
    stored,
    versions,
)
from tests.import_endpoint import ImportEndpoint
from tests.integration.test_backfill_live import BEFORE, DELIVERED_SINCE, UNDELIVERED_SINCE, open_runs, records_of

pytestmark = pytest.mark.integration


@pytest.fixture
def endpoint(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImportEndpoint]:
    boto3.client("s3").create_bucket(Bucket="imports", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    monkeypatch.setattr(polling, "FIRST_PAUSE_SECONDS", 0.01)
    with ImportEndpoint(dynamodb_environment, logs=False).serving() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint.url)
        yield endpoint


@pytest.fixture
def shop(database_url: str, tmp_path: Path, endpoint: ImportEndpoint, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    """Captured, and without tables."""
    shop = Delivering(captured(database_url, tmp_path, SCHEMA, MAPPING))
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    shop.run(*BEFORE)
    shop.shop.forget()
    return shop


def imported(shop: Delivering, **options: Any) -> BackfillManifest:
    return run_backfill(
        shop.shop.migration, in_process, mode="import", importing=ImportOptions("s3://imports/x"), **options
    )


def delete_tables(shop: Delivering) -> None:
    for table in shop.shop.migration.mapping.target.tables:
        boto3.client("dynamodb").delete_table(TableName=table)


def test_the_relay_brings_what_the_snapshot_has_not_seen(
    shop: Delivering, spark: SparkSession, endpoint: ImportEndpoint
) -> None:
    shop.run("UPDATE orders SET note = 'x' WHERE id = 12")
    records_of(shop, spark)
    shop.run(*DELIVERED_SINCE, *UNDELIVERED_SINCE)
    manifest = imported(shop)
    assert (manifest.mode, manifest.records, manifest.written) == ("import", 28, 28)
    assert versions("orders")["C0/O12"] == EPOCH + 1
    assert stored("seats")["S8"] == {
        "pk": {"S": "S8"}, "id": {"N": "8"}, "place": {"S": "S8"}, "guest": {"S": "g8"},
        "_v": {"N": str(EPOCH)}, "_s": {"S": source_key(8)},
    }  # fmt: skip
    assert open_runs(shop) == []
    assert shop.drain(lease_seconds=0.5).set_apart == ()
    assert_equal_stores(shop)


def test_both_stores_are_found_consistent(shop: Delivering, spark: SparkSession) -> None:
    snapshot = records_of(shop, spark)
    imported(shop)
    dump = dump_tables(shop.shop.migration, in_process, snapshot_id=snapshot, segments=2)
    diff = run_diff(shop.shop.migration, in_process, snapshot_id=snapshot, dump_id=dump.id)
    assert (diff.consistent, diff.verdicts.match) == (True, 28)


def test_no_sweep_comes_between(shop: Delivering, spark: SparkSession, endpoint: ImportEndpoint) -> None:
    records_of(shop, spark)
    endpoint.refuse = lambda item: "no" if item.get("place") else None
    with pytest.raises(TargetError, match="table seats: its import"):
        imported(shop, run_id="first")
    assert open_runs(shop) == ["first"]
    with shop.session() as session, pytest.raises(StageError, match="backfill first is not finished"):
        begin_sweep(session, 0)
    boto3.client("dynamodb").delete_table(TableName="seats")
    endpoint.refuse = lambda item: None
    shop.run("DELETE FROM seats WHERE id = 1")
    assert imported(shop).id == "first"
    assert open_runs(shop) == []
    shop.drain()
    assert_equal_stores(shop)


def test_what_was_delivered_to_a_table_that_is_gone_is_not_lost(
    shop: Delivering, spark: SparkSession, endpoint: ImportEndpoint
) -> None:
    create_tables(shop.shop.migration.mapping, dynamodb_client())
    shop.run("UPDATE orders SET note = 'before' WHERE id IN (4, 5)")
    shop.drain()
    records_of(shop, spark)
    shop.run("UPDATE orders SET note = 'after' WHERE id IN (5, 6)", "DELETE FROM seats WHERE id = 1")
    shop.drain()
    delete_tables(shop)
    with pytest.raises(StageError, match=r"^3 items were delivered since snapshot .*, to a table that is gone"):
        imported(shop)
    assert open_runs(shop) == []
    assert endpoint.imports == []
    records_of(shop, spark)
    shop.run("UPDATE orders SET note = 'last' WHERE id = 5")
    assert imported(shop).written == 27
    shop.drain()
    assert_equal_stores(shop)


def test_a_snapshot_from_before_the_capture_is_refused(shop: Delivering, spark: SparkSession) -> None:
    uninstall_capture(shop.shop.migration, shop.shop.url)
    records_of(shop, spark)
    install_capture(shop.shop.migration, shop.shop.url)
    with pytest.raises(StageError, match="must not be written: it is older than the capture; take a new snapshot"):
        imported(shop)
    uninstall_capture(shop.shop.migration, shop.shop.url)
    assert imported(shop).written == 28
