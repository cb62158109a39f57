"""The stages on a cluster that shares nothing but S3, and has no Crossover, give what this machine alone gives."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
from tests.spark_cluster import Cluster, python_without_crossover, standalone, without_aws

pytestmark = pytest.mark.integration

BUCKET = "the-warehouse"
SECRET = "never-in-a-log-9f3b"
OF_ANOTHER = "this is another Crossover"

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

RUNS_COMMANDS = """
import json, sys
from pipelines import cli, spark
# One session for all commands: executors take seconds to start
ends, spark.close_session = spark.close_session, lambda session: None
for line in sys.stdin:
    print(cli.run([*json.loads(line), "--json"]), flush=True)
ends(spark.open_session())
"""

_Command = Callable[..., dict[str, Any]]


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
    snapshot = take_snapshot(here, database_url)
    make_records(here, spark, buckets=8)
    run_backfill(here, in_process)
    spoil()
    dump_tables(here, in_process)
    one = run_diff(here, in_process)
    empty_again(here)
    other = another_crossover(tmp_path / "other")
    python = python_without_crossover(tmp_path)
    with standalone(tmp_path / "cluster", without_aws(), of_second_worker={"PYTHONPATH": str(other)}) as cluster:
        with commands_on(cluster, f"s3://{BUCKET}/w", database_url, python) as crossover:
            snapshot_id = crossover("snapshot", str(mapping))["snapshot_id"]
            crossover("records", str(mapping), "--buckets", "8")
            backfill = crossover("backfill", str(mapping), "--wcu", "8000")
            spoil()
            crossover("dump", str(mapping))
            run_id = crossover("diff", str(mapping))["run_id"]
        written = cluster.written()
    assert backfill["written"] == backfill["records"] == 300
    many = read_manifest(there.folder.diff(run_id), DiffManifest)
    assert many.verdicts == one.verdicts
    assert one.differences == many.differences == 9
    records = [
        rows_below(migration.folder.records(of) / "records", "key", "digest")
        for migration, of in ((here, snapshot.id), (there, snapshot_id))
    ]
    assert records[0] == records[1]
    found = [
        rows_below(migration.folder.diff(diff.id) / "differences", "key", "verdict", "paths")
        for migration, diff in ((here, one), (there, many))
    ]
    assert found[0] == found[1]
    assert python.with_suffix(".used").exists()
    for worker in ("work1", "work2"):
        assert "Finished task" in (log := executor_log(cluster, worker)), log
    assert SECRET not in written


def test_executors_have_no_crossover_of_their_own(tmp_path: Path) -> None:
    """Else the cluster would prove nothing of what it is given."""
    python = python_without_crossover(tmp_path)
    found = [
        subprocess.run(
            [python, "-c", f"import {module}"], capture_output=True, text=True, cwd=tmp_path, env=environment
        )
        for module, environment in (
            ("pipelines", {}),
            ("pyarrow", {}),
            ("pipelines", {"PYTHONPATH": str(another_crossover(tmp_path / "other"))}),
        )
    ]
    assert "No module named 'pipelines'" in found[0].stderr
    assert found[1].returncode == 0
    assert OF_ANOTHER in found[2].stderr


def spoil() -> None:
    for number in range(1, 60, 7):
        dynamodb_client().put_item(TableName="shop", Item={"pk": {"S": f"CUSTOMER#{number}"}, "name": {"S": "spoilt"}})


def empty_again(migration: Migration) -> None:
    dynamodb_client().delete_table(TableName="shop")
    create_tables(migration.mapping, dynamodb_client())


def another_crossover(folder: Path) -> Path:
    """On a path that comes before what is installed; whoever imports it fails."""
    package = folder / "pipelines"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"raise ImportError({OF_ANOTHER!r})\n", encoding="utf-8")
    return folder


def executor_log(cluster: Cluster, worker: str) -> str:
    return "\n".join(log.read_text(encoding="utf-8") for log in (cluster.folder / worker).glob("app-*/*/stderr"))


@contextlib.contextmanager
def commands_on(cluster: Cluster, warehouse: str, database_url: str, python: Path) -> Iterator[_Command]:
    """Gives a function that runs one command line and returns its document, which must be a success.

    The executors were started without a setting of AWS's: those come with the tasks.
    """
    settings = {
        "CROSSOVER_SPARK_MASTER": cluster.master,
        "CROSSOVER_WAREHOUSE": warehouse,
        "CROSSOVER_SOURCE_URL": database_url,
        "PYSPARK_PYTHON": str(python),
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    errors = cluster.folder.parent / "driver.log"
    with (
        errors.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-c", RUNS_COMMANDS],
            env={**os.environ, **cluster.environment, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as driver,
    ):
        assert driver.stdin is not None and driver.stdout is not None
        to, answers = driver.stdin, driver.stdout

        def run(*arguments: str) -> dict[str, Any]:
            to.write(json.dumps(arguments) + "\n")
            to.flush()
            document, status = answers.readline(), answers.readline()
            assert status.strip() in ("0", "1"), (document, errors.read_text(encoding="utf-8"))
            return dict(json.loads(document))

        try:
            yield run
            to.close()
            assert driver.wait(60) == 0
        finally:
            driver.kill()
    assert SECRET not in errors.read_text(encoding="utf-8")
