"""What is wrong with a call of `snapshot --from rds-export` is one line, and nothing is started."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import boto3
import psycopg
import pytest

from pipelines.cli import run

pytestmark = pytest.mark.integration

MAPPING = """
migration: shop
target: {tables: {shop: {partition_key: {name: pk, type: S}}}}
items: {customer: {table: shop, from: customers, key: {pk: "CUSTOMER#{customer_id}"}}}
"""
FROM = ["--from", "rds-export"]
BUCKET = ["--bucket", "exports", "--role", "arn:aws:iam::123456789012:role/export"]
KEY = ["--kms-key", "alias/export"]


def change(url: str, script: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(script.encode())


@pytest.fixture
def source(database_url: str, dynamodb_environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mapping of a source, and two instances: one of PostgreSQL without snapshots, one of MySQL with one."""
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_RDS", dynamodb_environment)
    change(database_url, "CREATE TABLE customers (customer_id int PRIMARY KEY)")
    rds = boto3.client("rds")
    for name, engine in (("shop", "postgres"), ("mine", "mysql")):
        rds.create_db_instance(DBInstanceIdentifier=name, DBInstanceClass="db.t4g.micro", Engine=engine)
    rds.create_db_snapshot(DBInstanceIdentifier="mine", DBSnapshotIdentifier="mine-today")
    path = tmp_path / "shop.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([*FROM, "--instance", "shop", *BUCKET], "--kms-key is missing"),
        (FROM, "--export LOCATION reads one"),
        (["--bucket", "exports"], "--bucket: only with --from rds-export"),
        ([*FROM, "--instance", "a", "--cluster", "b", *BUCKET, *KEY], "give one of them"),
        ([*FROM, "--task", "a", "--bucket", "b"], "--task names an export that is there already; leave out --bucket"),
        ([*FROM, "--instance", "nobody", *BUCKET, *KEY], "instance nobody: no available snapshot of it"),
        ([*FROM, "--cluster", "nobody", *BUCKET, *KEY], "cluster nobody: no available snapshot of it"),
        ([*FROM, "--instance", "shop", "--rds-snapshot", "x", *BUCKET, *KEY], "instance shop: no snapshot x of it"),
        ([*FROM, "--instance", "mine", *BUCKET, *KEY], "its engine is mysql; only PostgreSQL is supported yet"),
        ([*FROM, "--task", "nobody"], "RDS: DescribeExportTasks was refused (ExportTaskNotFound"),
        ([*FROM, "--export", "/nowhere"], "/nowhere: there is nothing"),
        ([*FROM, "--export", "s3://nowhere/x"], "s3://nowhere"),
    ],
)
def test_what_is_wrong_is_one_line(
    source: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["snapshot", str(source), *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert told in printed.err
    assert boto3.client("rds").describe_export_tasks()["ExportTasks"] == []


def test_what_no_export_holds_is_told_before_one_is_made(
    source: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(database_url, "ALTER TABLE customers ADD COLUMN tag oid")
    assert run(["snapshot", str(source), *FROM, "--instance", "shop", *BUCKET, *KEY]) == 2
    assert "public.customers: column 'tag' is of type oid, which RDS does not export" in capsys.readouterr().err
    change(database_url, "DROP TABLE customers; CREATE VIEW customers AS SELECT 1 AS customer_id")
    change(database_url, "CREATE TABLE kept (customer_id int PRIMARY KEY)")
    embed = "embed: {view: {from: customers, as: map, on: {customer_id: customer_id}}}"
    source.write_text(MAPPING.replace("from: customers", f"from: kept, {embed}"))
    assert run(["snapshot", str(source), *FROM, "--instance", "shop", *BUCKET, *KEY]) == 2
    assert "public.customers: it is a view, and RDS exports tables; use --from live" in capsys.readouterr().err
    assert boto3.client("rds").describe_export_tasks()["ExportTasks"] == []
