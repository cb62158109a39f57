"""The same data through a warehouse on a disk and one in S3: every record, item and verdict is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import boto3
import psycopg
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from pyspark.sql import SparkSession

from examples.shop.generate import load
from expectations.report import write_report
from pipelines.backfill import run_backfill
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.dump import dump_tables
from pipelines.errors import StageError, WarehouseError
from pipelines.fanout import SparkFanOut, in_process
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.warehouse import s3_lock
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.place import Place
from pipelines.warehouse.s3_access import s3_access
from tests.spoilt_shop import fill, spoil

pytestmark = pytest.mark.integration

MAPPING = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"
BUCKET = "the-warehouse"


@dataclass(frozen=True)
class Through:
    """What a run of all stages left in one warehouse."""

    migration: Migration
    snapshot_id: str
    dump_id: str
    diff_id: str
    report: Place


@pytest.fixture
def bucket(dynamodb_environment: str) -> str:
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return BUCKET


def rows_below(folder: Place, *columns: str) -> list[tuple[object, ...]]:
    """The rows of all Parquet files of a folder and the folders in it, in order."""
    found: list[tuple[object, ...]] = []
    for place in folder.children():
        if place.is_dir():
            found += rows_below(place, *columns)
        elif place.name.endswith(".parquet"):
            with place.open_input() as file:
                table = pq.read_table(file, columns=list(columns))
            found += zip(*(table[name].to_pylist() for name in columns), strict=True)
    return sorted(found, key=repr)


def migrate(migration: Migration, url: str, spark: SparkSession) -> str:
    create_tables(migration.mapping, dynamodb_client())
    snapshot = take_snapshot(migration, url)
    make_records(migration, spark, snapshot.id, buckets=8)
    backfill = run_backfill(migration, in_process, snapshot_id=snapshot.id)
    assert backfill.written == backfill.records > 0
    return snapshot.id


def verify(migration: Migration, snapshot_id: str, spark: SparkSession) -> Through:
    dump = dump_tables(migration, in_process, snapshot_id=snapshot_id, segments=2)
    diff = run_diff(migration, SparkFanOut(spark), snapshot_id=snapshot_id, dump_id=dump.id)
    return Through(migration, snapshot_id, dump.id, diff.id, write_report(migration, diff.id))


def through(mapping: Path, warehouse: str | Path, url: str, spark: SparkSession) -> Through:
    migration = Migration.open(mapping, Place.of(warehouse))
    snapshot_id = migrate(migration, url, spark)
    spoil()
    return verify(migration, snapshot_id, spark)


def content(run: Through) -> Iterator[tuple[str, object]]:
    folder = run.migration.folder
    yield "records", rows_below(folder.records(run.snapshot_id) / "records", "key", "digest", "item", "version")
    yield "rejects", rows_below(folder.records(run.snapshot_id) / "rejects", "source_key", "reason")
    yield "dump", rows_below(folder.dump(run.dump_id) / "records", "key", "digest", "item", "version")
    yield "differences", rows_below(folder.diff(run.diff_id) / "differences", "key", "verdict", "paths")
    yield "data docs", sorted(place.name for place in (run.report.parent / "data_docs").children())
    yield "report", [line for line in (run.report.parent / "report.txt").read_text().splitlines() if "match" in line]


def test_s3_and_a_disk_hold_the_same(
    bucket: str,
    database_url: str,
    warehouse: Path,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    mapping = fill(database_url, tmp_path, orders=80)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE seats SET place = '' WHERE id = 1")
    on_disk = dict(content(through(mapping, warehouse, database_url, spark)))
    for table in dynamodb_client().list_tables()["TableNames"]:
        dynamodb_client().delete_table(TableName=table)
    in_s3 = through(mapping, f"s3://{bucket}/a/b", database_url, spark)
    assert str(in_s3.report) == f"s3://{bucket}/a/b/small/reports/{in_s3.diff_id}/index.html"
    assert all(on_disk.values()), [what for what, found in on_disk.items() if not found]
    assert dict(content(in_s3)) == on_disk
    _only_whole_objects(bucket)


def _only_whole_objects(bucket: str) -> None:
    client = boto3.client("s3")
    listed = [
        found for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket) for found in page["Contents"]
    ]
    names = [found["Key"].rpartition("/")[2] for found in listed]
    assert all(name and not name.startswith(".") for name in names), "no folder markers, probes or unfinished files"
    assert not [found["Key"] for found in listed if "/locks/" in found["Key"]]
    assert client.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    for found in listed[:5]:
        assert client.head_object(Bucket=bucket, Key=found["Key"])["ServerSideEncryption"] == "AES256"


def test_a_run_under_way_is_named(bucket: str, database_url: str) -> None:
    load(database_url, 0.01)
    migration = Migration.open(MAPPING, Place.of(f"s3://{bucket}/w"))
    with (
        stage_lock(migration.folder.root, "snapshot", "first"),
        pytest.raises(StageError, match=r"^snapshot: run first is under way"),
    ):
        take_snapshot(migration, database_url)
    take_snapshot(migration, database_url)


def test_what_a_killed_run_left_in_s3_is_cleared_away(bucket: str, database_url: str) -> None:
    load(database_url, 0.01)
    migration = Migration.open(MAPPING, Place.of(f"s3://{bucket}/w"))
    left = migration.folder.snapshot("20260101T000000-000000") / "public.customers" / "part-00000.parquet"
    left.write_atomically("whole, and of no finished run")
    manifest = take_snapshot(migration, database_url)
    assert [place.name for place in left.parent.parent.parent.children()] == [manifest.id]
    assert migration.folder.finished("snapshots") == [manifest.id]


def test_a_warehouse_that_cannot_be_used_is_one_line(dynamodb_environment: str) -> None:
    with pytest.raises(WarehouseError, match=r"^s3://no-such-bucket: there is no such bucket; create it"):
        Migration.open(MAPPING, Place.of("s3://no-such-bucket/w"))


def test_a_warehouse_that_may_not_be_written_is_told_by_its_own_name(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by that of a hidden object that was to try it out."""
    client = s3_access().client
    denied = ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")
    monkeypatch.setattr(client, "put_object", Mock(side_effect=denied))
    monkeypatch.setattr(client, "delete_object", Mock(side_effect=denied))
    told = r"^s3://the-warehouse/w/shop: cannot be written: the credentials may not call s3:PutObject there"
    with pytest.raises(WarehouseError, match=told):
        Migration.open(MAPPING, Place.of(f"s3://{bucket}/w"))
    s3_lock.require_conditional_writes.cache_clear()
    with pytest.raises(WarehouseError) as refused, stage_lock(Place.of(f"s3://{bucket}/w/shop"), "dump", "mine"):
        pass
    assert str(refused.value).startswith("s3://the-warehouse/w/shop/locks: cannot be written")


def test_an_unfinished_dump_older_than_a_backfill_is_left_alone(bucket: str, database_url: str) -> None:
    load(database_url, 0.01)
    migration = Migration.open(MAPPING, Place.of(f"s3://{bucket}/w"))
    create_tables(migration.mapping, dynamodb_client())
    snapshot_id = take_snapshot(migration, database_url).id
    first = dump_tables(migration, in_process, snapshot_id=snapshot_id, segments=1, buckets=2)
    (migration.folder.dump(first.id) / "manifest.json").remove()
    (migration.folder.root / "backfills" / "later" / "run.json").write_atomically("{}")
    later = dump_tables(migration, in_process, snapshot_id=snapshot_id, segments=1, buckets=2)
    assert later.id != first.id
