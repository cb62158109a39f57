"""Records and diff on a cluster that shares nothing but S3 give what this machine alone gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import boto3
import psycopg
import pytest
from pyspark.sql import SparkSession

from pipelines.backfill import run_backfill
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.dump import dump_tables
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import DiffManifest
from pipelines.warehouse.place import Place
from tests.integration.test_s3_warehouse import rows_below
from tests.spark_cluster import Cluster, standalone, without_aws

pytestmark = pytest.mark.integration

BUCKET = "the-warehouse"
SECRET = "never-in-a-log-9f3b"

MAPPING = """
migration: small
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
      billing: on_demand
items:
  customer:
    table: shop
    from: customers
    key: {pk: "CUSTOMER#{customer_id}"}
    embed:
      orders: {from: orders, on: {customer_id: customer_id}, as: list, order_by: [order_id]}
"""

SOURCE = """
CREATE TABLE customers (customer_id bigint PRIMARY KEY, name text, born date, since timestamptz, photo bytea);
INSERT INTO customers SELECT n, 'customer ' || n, date '1970-01-01' + n, now() - n * interval '1 hour', '\\x00ff'
FROM generate_series(1, 300) n;
CREATE TABLE orders (order_id bigint PRIMARY KEY, customer_id bigint, total numeric(12, 2), paid boolean);
INSERT INTO orders SELECT n, n % 250, n / 7.0, n % 2 = 0 FROM generate_series(1, 1000) n;
"""

ON_THE_CLUSTER = """
import sys
from pathlib import Path
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.dump import dump_tables
from pipelines.fanout import SparkFanOut, in_process
from pipelines.migration import Migration
from pipelines.spark import session
migration = Migration.open(Path(sys.argv[1]))
with session() as spark:
    make_records(migration, spark, buckets=8)
    dump_tables(migration, in_process)
    print(run_diff(migration, SparkFanOut(spark)).id)
"""


def test_a_cluster_gives_what_one_machine_gives(
    spark: SparkSession, dynamodb_environment: str, database_url: str, warehouse: Path, tmp_path: Path
) -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    with psycopg.connect(database_url) as connection:
        connection.execute(SOURCE)
    mapping = tmp_path / "small.yaml"
    mapping.write_text(MAPPING, encoding="utf-8")
    here, there = (Migration.open(mapping, Place.of(place)) for place in (warehouse, f"s3://{BUCKET}/w"))
    create_tables(here.mapping, dynamodb_client())
    snapshots = [take_snapshot(migration, database_url).id for migration in (here, there)]
    make_records(here, spark, buckets=8)
    run_backfill(here, in_process)
    for number in range(1, 60, 7):
        dynamodb_client().put_item(TableName="shop", Item={"pk": {"S": f"CUSTOMER#{number}"}, "name": {"S": "spoilt"}})
    dump_tables(here, in_process)
    one = run_diff(here, in_process)
    with standalone(tmp_path / "cluster", without_aws()) as cluster:
        run_id = _on(cluster, mapping, f"s3://{BUCKET}/w")
        written = cluster.written()
    many = read_manifest(there.folder.diff(run_id), DiffManifest)
    assert many.verdicts == one.verdicts
    assert one.differences == many.differences == 9
    records = [
        rows_below(migration.folder.records(snapshot_id) / "records", "key", "digest")
        for migration, snapshot_id in zip((here, there), snapshots, strict=True)
    ]
    assert records[0] == records[1]
    found = [
        rows_below(migration.folder.diff(diff.id) / "differences", "key", "verdict", "paths")
        for migration, diff in ((here, one), (there, many))
    ]
    assert found[0] == found[1]
    assert "executor" in written.lower()
    assert SECRET not in written


def _on(cluster: Cluster, mapping: Path, warehouse: str) -> str:
    """The diff's id. The executors were started without a setting of AWS's: those come with the tasks."""
    settings = {
        "CROSSOVER_SPARK_MASTER": cluster.master,
        "CROSSOVER_WAREHOUSE": warehouse,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    done = subprocess.run(
        [sys.executable, "-c", ON_THE_CLUSTER, str(mapping)],
        env={**os.environ, **cluster.environment, **settings},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stderr
    return done.stdout.split()[-1]
