"""`crossover snapshot --from rds-export` from outside, with moto for RDS and S3."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import boto3
import psycopg
import pytest

from tests.e2e.conftest import CommandLine
from tests.rds_export_fixture.options import ExportOptions
from tests.rds_export_fixture.slow_rds import SlowRds, serving
from tests.rds_export_fixture.write import write_export

pytestmark = pytest.mark.e2e

MAPPING = """
migration: shop
target: {tables: {shop: {partition_key: {name: pk, type: S}}}}
items:
  customer: {table: shop, from: customers, key: {pk: "CUSTOMER#{customer_id}"}}
"""
SOURCE = """
CREATE TABLE customers (customer_id int PRIMARY KEY, name text);
INSERT INTO customers SELECT n, 'name ' || n FROM generate_series(1, 100) n;
CREATE TABLE unrelated AS SELECT 1 AS a;
"""
START = [
    *("--from", "rds-export", "--instance", "shop", "--bucket", "exports", "--prefix", "nightly"),
    *("--role", "arn:aws:iam::123456789012:role/export", "--kms-key", "alias/export"),
]


@pytest.fixture
def mapping(crossover: CommandLine, database_url: str) -> Path:
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        connection.execute(SOURCE)
    path = crossover.folder / "shop.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return path


@pytest.fixture
def moto(dynamodb_environment: str) -> str:
    """With a bucket, and an instance that has a snapshot."""
    boto3.client("s3").create_bucket(Bucket="exports", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    rds = boto3.client("rds", endpoint_url=dynamodb_environment)
    rds.create_db_instance(DBInstanceIdentifier="shop", DBInstanceClass="db.t4g.micro", Engine="postgres")
    rds.create_db_snapshot(DBInstanceIdentifier="shop", DBSnapshotIdentifier="shop-today")
    return dynamodb_environment


def into_bucket(database_url: str, folder: Path) -> Callable[[str, tuple[str, ...]], None]:
    """Writes the export of a task below `nightly/`."""

    def export(task: str, only: tuple[str, ...]) -> None:
        write_export(database_url, folder, ExportOptions(task=task, export_only=only, batches=2))
        client = boto3.client("s3")
        for path in sorted((folder / task).rglob("*")):
            if path.is_file():
                client.put_object(Bucket="exports", Key=f"nightly/{path.relative_to(folder)}", Body=path.read_bytes())

    return export


@contextmanager
def slow(
    moto: str, crossover: CommandLine, url: str, *states: tuple[str, int], throttled: int = 0
) -> Iterator[SlowRds]:
    with serving(SlowRds(moto, list(states), into_bucket(url, crossover.folder / "made"), throttled)) as rds:
        yield rds


def test_an_export_is_started_awaited_and_read(
    crossover: CommandLine, mapping: Path, moto: str, database_url: str
) -> None:
    states = [("STARTING", 0), ("IN_PROGRESS", 40), ("COMPLETE", 100)]
    with slow(moto, crossover, database_url, *states, throttled=2) as rds:
        done = crossover("snapshot", mapping, *START, "--json", AWS_ENDPOINT_URL_RDS=rds.url)
        assert done.status == 0, done.err
        assert {name: counts["rows"] for name, counts in done.document["tables"].items()} == {"public.customers": 100}
        begun, complete = done.err.splitlines()
        assert "of RDS snapshot shop-today, taken 20" in begun
        assert begun.endswith("UTC, has begun")
        task = complete.split()[3]
        assert complete == f"crossover: export task {task} is complete: s3://exports/nightly/{task}"
        database = database_url.rpartition("/")[2]
        manifest = json.loads(
            (crossover.folder / "warehouse/shop/snapshots" / done.document["snapshot_id"] / "manifest.json").read_text()
        )
        assert (manifest["taken"], manifest["export"]["task"]) == ("rds-export", task)
        info = json.loads((crossover.folder / "made" / task / f"export_info_{task}.json").read_text())
        assert info["exportOnly"] == [f"{database}.public.customers"]
        assert rds.calls.count("DescribeExportTasks") == 5

        again = crossover("snapshot", mapping, "--from", "rds-export", "--task", task, AWS_ENDPOINT_URL_RDS=rds.url)
        assert again.status == 0, again.err
        assert "StartExportTask" not in rds.calls[rds.calls.index("StartExportTask") + 1 :]
    read = crossover("snapshot", mapping, "--from", "rds-export", "--export", f"s3://exports/nightly/{task}", "--json")
    assert (read.status, read.document["tables"]) == (0, done.document["tables"]), read.err


def test_an_interrupt_leaves_the_task_and_says_how_to_go_on(
    crossover: CommandLine, mapping: Path, moto: str, database_url: str
) -> None:
    with slow(moto, crossover, database_url, ("IN_PROGRESS", 40)) as rds:
        waiting = CommandLine({**crossover.environment, "AWS_ENDPOINT_URL_RDS": rds.url}, crossover.folder)
        with waiting.start("snapshot", mapping, *START) as process:
            assert process.stderr is not None
            task = process.stderr.readline().split()[3]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == (
        f"crossover: interrupted; export task {task} runs on in RDS: "
        f"`crossover snapshot {mapping} --from rds-export --task {task}`\n"
    )
    assert "CancelExportTask" not in rds.calls


def test_a_failed_task_tells_its_cause(crossover: CommandLine, mapping: Path, moto: str, database_url: str) -> None:
    with slow(moto, crossover, database_url, ("FAILED", 0)) as rds:
        done = crossover("snapshot", mapping, *START, AWS_ENDPOINT_URL_RDS=rds.url)
    assert done.status == 2
    assert done.err.splitlines()[-1].endswith(" failed: The IAM role isn't authorized to call PutObject")
