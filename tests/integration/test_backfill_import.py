"""The stage `backfill`, mode import: DynamoDB makes the tables of objects in S3, whatever interrupts us or it.

Most tests run against `tests.import_endpoint`, which imports as AWS does; the imports of moto and ministack have
theirs, too.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from pipelines import cli
from pipelines.backfill import run_backfill
from pipelines.backfill.importing import ImportOptions, imports
from pipelines.errors import AccountsError, StageError, TargetError, UsageError, WarehouseError
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.tables import create_tables
from pipelines.target import client, import_objects, polling
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import BackfillManifest
from pipelines.warehouse.place import Place
from tests.import_endpoint import LOG_GROUP, Import, ImportEndpoint, lines_of
from tests.integration.test_backfill import BUCKETS, MAPPING, expected, keep, opened, records, stored
from tests.on_disk import on_disk
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

BUCKET = "imports"
S3 = f"s3://{BUCKET}/some/where"
CHILD = """
import os, signal, sys
from pathlib import Path
from pipelines.backfill import run_backfill
from pipelines.backfill.importing import ImportOptions, imports, run
from pipelines.fanout import in_process
from pipelines.target import import_folder, polling
from pipelines.target.backfill_run import BackfillFolder
from tests.integration.test_backfill import opened
polling.FIRST_PAUSE_SECONDS = 0.01
points = {
    "objects": (import_folder.ImportFolder, "finish_objects"),
    "keep": (import_folder.ImportFolder, "keep_imports"),
    "start": (imports, "start_import"),
    "look": (imports, "describe_import"),
    "account": (BackfillFolder, "finish_bucket"),
    "remove": (run, "_remove_objects"),
    "manifest": (run, "write_manifest"),
}
where, name = points[sys.argv[2]]
real, left, after = getattr(where, name), [int(sys.argv[3])], sys.argv[4] == "after"
def killing(*arguments, **options):
    left[0] -= 1
    if left[0] < 0 and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    answer = real(*arguments, **options)
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
setattr(where, name, killing)
run_backfill(opened(Path(sys.argv[1])), in_process, mode="import", importing=ImportOptions(sys.argv[5]))
"""


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def bucket(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An endpoint imports from its own S3, and logs to its own CloudWatch."""
    for service in ("S3", "CLOUDWATCH_LOGS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", dynamodb_environment)
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return BUCKET


@pytest.fixture
def migration(bucket: str, warehouse: Path) -> Migration:
    """Without tables."""
    return opened(warehouse)


@pytest.fixture
def rows(migration: Migration) -> list[dict[str, Any]]:
    """300 customers and 100 prices, kept as the records of snapshot `s1`."""
    made = records(300, 100)
    keep(migration, "s1", made)
    return made


@pytest.fixture
def endpoint(bucket: str, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImportEndpoint]:
    """Imports as AWS does."""
    with ImportEndpoint(dynamodb_environment).serving() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint.url)
        yield endpoint


def backfill(migration: Migration, *, fan_out: Any = in_process, **options: Any) -> BackfillManifest:
    importing = options.pop("importing", None)
    return run_backfill(migration, fan_out, mode="import", importing=importing or ImportOptions(S3), **options)


def run_and_kill(warehouse: Path, point: str, count: int, moment: str) -> None:
    """A process of its own, that ends at the point of `CHILD` so named, in its call of that number from 0."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", CHILD, str(warehouse), point, str(count), moment, S3]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def objects(prefix: str = "some/where/") -> dict[str, bytes]:
    s3 = boto3.client("s3")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed}


def in_some_order(items: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(item, sort_keys=True) for item in items)


def assert_imported(rows: Sequence[dict[str, Any]]) -> None:
    found = stored()
    for table, items in expected(rows).items():
        assert in_some_order(found[table]) == in_some_order(items)


def test_every_record_becomes_an_item_and_the_accounts_say_so(
    migration: Migration, rows: Any, endpoint: ImportEndpoint
) -> None:
    manifest = backfill(migration)
    assert_imported(rows)
    assert (manifest.records, manifest.written, manifest.mode) == (400, 400, "import")
    assert (manifest.superseded, manifest.conflicts, manifest.failed) == (0, 0, 0)
    folder = migration.folder.backfill(manifest.id)
    assert read_manifest(folder, BackfillManifest, migration.mapping_hash) == manifest
    accounts = [json.loads(path.read_text()) for path in (folder / "buckets").children()]
    assert sorted(one["bucket"] for one in accounts) == list(range(BUCKETS))
    assert sum(one["written"] for one in accounts) == 400
    assert objects() == {}


def test_what_is_asked_of_dynamodb(migration: Migration, rows: Any, endpoint: ImportEndpoint) -> None:
    manifest = backfill(migration)
    assert len({request["ClientToken"] for request in endpoint.asked}) == 2
    prices, shop = sorted(endpoint.asked, key=lambda request: request["S3BucketSource"]["S3KeyPrefix"])
    assert prices["S3BucketSource"] == {"S3Bucket": BUCKET, "S3KeyPrefix": f"some/where/shop/{manifest.id}/prices/"}
    assert {name: shop[name] for name in ("InputFormat", "InputCompressionType")} == {
        "InputFormat": "DYNAMODB_JSON",
        "InputCompressionType": "GZIP",
    }
    assert shop["TableCreationParameters"] == {
        "TableName": "shop",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "g")],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "gsi1",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    }


def test_motos_own_import(migration: Migration) -> None:
    """It cuts texts at a quotation mark of either kind, so that these have none."""
    rows = [one | {"item": one["item"].replace('\\"', "*")} for one in records(300, 100)]
    keep(migration, "s1", rows)
    assert backfill(migration).written == 400
    assert_imported(rows)


@pytest.mark.endpoints("ministack")
@pytest.mark.parametrize("killed_at", [None, ("start", 1)])
def test_ministacks_own_import(
    migration: Migration, rows: Any, warehouse: Path, killed_at: tuple[str, int] | None
) -> None:
    """Asked for once, though the answer may be lost."""
    if killed_at is not None:
        run_and_kill(warehouse, *killed_at, "after")
    assert backfill(migration).written == 400
    assert_imported(rows)
    assert len(boto3.client("dynamodb").list_imports()["ImportSummaryList"]) == 2
    assert objects() == {}


@pytest.mark.endpoints("ministack")
def test_an_item_that_ministacks_import_refuses(migration: Migration) -> None:
    rows = records(30, 10)
    of_another_type = rows[7]["item"].replace("{", '{"g":{"N":"1"},', 1)
    keep(migration, "s1", [*rows[:7], rows[7] | {"item": of_another_type}, *rows[8:]])
    with pytest.raises(TargetError, match="29 of 30 items were imported, 1 refused"):
        backfill(migration, run_id="first")
    listed = pq.read_table(on_disk(migration.folder.backfill("first")) / "failed" / "import.parquet").to_pylist()
    assert [one["key"] for one in listed] == [rows[7]["key"]]


@pytest.mark.parametrize(("compression", "ending"), [("gzip", ".json.gz"), ("zstd", ".json.zst")])
def test_the_objects_hold_the_records(
    migration: Migration, rows: Any, endpoint: ImportEndpoint, compression: str, ending: str
) -> None:
    if compression == "zstd" and shutil.which("zstd") is None:
        pytest.skip("the objects are read by the program zstd")
    manifest = backfill(migration, importing=ImportOptions(S3, compression, keep_objects=True))
    found: dict[str, list[Any]] = {"shop": [], "prices": []}
    for key, content in objects().items():
        folder, table, name = key.rsplit("/", 2)
        assert folder == f"some/where/shop/{manifest.id}"
        assert name.endswith(ending)
        lines = [json.loads(line) for line in lines_of(key, content)]
        assert all(line.keys() == {"Item"} for line in lines)
        found[table] += [line["Item"] for line in lines]
    assert {table: in_some_order(items) for table, items in found.items()} == {
        table: in_some_order(items) for table, items in expected(rows).items()
    }
    assert {request["InputCompressionType"] for request in endpoint.asked} == {compression.upper()}
    assert_imported(rows)


def test_a_dry_run_says_what_an_import_costs(
    migration: Migration,
    rows: Any,
    endpoint: ImportEndpoint,
    warehouse: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(warehouse))
    file = warehouse.parent / "shop.yaml"
    file.write_text(MAPPING)
    command = ["backfill", str(file), "--mode", "import", "--dry-run", "--json"]
    assert cli.run([*command, "--price", "1000000"]) == 0
    said = json.loads(capsys.readouterr().out)
    backfill(migration, importing=ImportOptions(S3, keep_objects=True))
    uncompressed = sum(len(gzip.decompress(content)) for content in objects().values())
    assert (said["records"], said["object_bytes"], said["write_units"]) == (400, uncompressed, 0)
    assert said["usd"] == pytest.approx(uncompressed / 2**30 * 1e6, abs=1e-3)
    assert cli.run([*command, "--wcu", "5"]) == 2
    assert "--mode import: uses none of the tables' capacity" in capsys.readouterr().err


def test_objects_are_of_one_size_and_in_no_order(
    migration: Migration, endpoint: ImportEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = records(1600, 0)
    keep(migration, "s1", rows)
    monkeypatch.setattr(import_objects, "OBJECT_BYTES", sum(one["size"] for one in rows) // 40 + 1)
    monkeypatch.setattr(import_objects, "_HELD_BYTES", 10_000)
    backfill(migration, importing=ImportOptions(S3, keep_objects=True))
    read = {key: lines_of(key, content) for key, content in objects().items()}
    sizes = [sum(map(len, lines)) for lines in read.values()]
    assert len(read) == 5 * BUCKETS
    assert max(sizes) < 1.3 * min(sizes)
    for lines in read.values():
        numbers = [int(json.loads(line)["Item"]["pk"]["S"].removeprefix("C#")) for line in lines]
        rising = sum(one < other for one, other in itertools.pairwise(numbers))
        assert 0.3 < rising / len(numbers) < 0.7


def test_a_table_without_records_is_made_empty(migration: Migration, endpoint: ImportEndpoint) -> None:
    keep(migration, "s1", records(10, 0))
    assert backfill(migration).written == 10
    assert stored()["prices"] == []
    assert [request["TableCreationParameters"]["TableName"] for request in endpoint.asked] == ["shop"]


def test_no_records_at_all_is_a_finished_run(migration: Migration, endpoint: ImportEndpoint) -> None:
    keep(migration, "s1", [])
    assert backfill(migration).records == 0
    assert stored() == {"shop": [], "prices": []}
    assert "ImportTable" not in endpoint.actions


def test_time_to_live_is_switched_on_afterwards(bucket: str, warehouse: Path, endpoint: ImportEndpoint) -> None:
    text = MAPPING.replace(
        "prices: {partition_key: {name: id, type: N}}", "prices: {partition_key: {name: id, type: N}, ttl: until}"
    )
    migration = opened(warehouse, text)
    keep(migration, "s1", records(3, 3))
    backfill(migration)
    found = boto3.client("dynamodb").describe_time_to_live(TableName="prices")["TimeToLiveDescription"]
    assert found == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}


def test_a_warehouse_in_s3_keeps_the_objects_itself(bucket: str, endpoint: ImportEndpoint) -> None:
    migration = opened(Place.of(f"s3://{BUCKET}/warehouse"))
    rows = records(30, 10)
    keep(migration, "s1", rows)
    manifest = run_backfill(migration, in_process, mode="import")
    prefix = f"warehouse/shop/backfills/{manifest.id}"
    assert {one["S3BucketSource"]["S3KeyPrefix"] for one in endpoint.asked} == {
        f"{prefix}/import/shop/",
        f"{prefix}/import/prices/",
    }
    assert_imported(rows)
    assert f"{prefix}/manifest.json" in objects(prefix)
    assert objects(f"{prefix}/import/") == {}


def test_where_the_objects_go_must_be_in_s3(migration: Migration, rows: Any, tmp_path: Path) -> None:
    for options, problem in (
        (ImportOptions(), r"^--mode import: .* the warehouse is on a disk; .* --s3 s3://bucket/prefix$"),
        (ImportOptions(str(tmp_path)), r"^--s3 .*: an import reads from S3; give s3://bucket/prefix$"),
        (ImportOptions("s3://"), "no place in S3"),
        (ImportOptions(S3, "lzma"), "^--compression lzma: use gzip or zstd$"),
    ):
        with pytest.raises(UsageError, match=problem):
            backfill(migration, importing=options)
    with pytest.raises(WarehouseError, match=r"^s3://nowhere: there is no such bucket; create it, or correct --s3$"):
        backfill(migration, importing=ImportOptions("s3://nowhere/x"))
    assert not (migration.folder.root / "backfills").exists()
    assert stored() == {}


def test_what_an_import_does_not_take(migration: Migration, rows: Any) -> None:
    for options in ({"force": True}, {"item_types": ("price",)}, {"buckets": [1]}):
        with pytest.raises(UsageError, match="--mode import: makes whole tables that are new"):
            backfill(migration, **options)
    for mode in (None, "cold", "live"):
        with pytest.raises(UsageError, match=r"^--s3, --keep-objects: only with --mode import$"):
            run_backfill(migration, in_process, mode=mode, importing=ImportOptions(S3, keep_objects=True))
    with pytest.raises(UsageError, match="no such mode; use live, cold or import"):
        run_backfill(migration, in_process, mode="warm")


def test_tables_that_are_there_are_refused(migration: Migration, rows: Any, endpoint: ImportEndpoint) -> None:
    create_tables(migration.mapping, dynamodb_client())
    with pytest.raises(TargetError, match=r"^table shop, prices: there already, and an import makes its tables itself"):
        backfill(migration)
    boto3.client("dynamodb").delete_table(TableName="shop")
    with pytest.raises(TargetError, match=r"^table prices: there already"):
        backfill(migration)
    assert not (migration.folder.root / "backfills").exists()
    assert objects() == {}


def test_a_table_that_comes_between_is_left_alone(migration: Migration, rows: Any, endpoint: ImportEndpoint) -> None:
    def then_make_prices(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        boto3.client("dynamodb").create_table(
            TableName="prices",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
            BillingMode="PAY_PER_REQUEST",
        )
        return in_process(tasks, work, **options)

    with pytest.raises(TargetError, match="table prices: there is one of this name already; an import makes its table"):
        backfill(migration, fan_out=then_make_prices)
    assert stored()["prices"] == []
    boto3.client("dynamodb").delete_table(TableName="prices")
    assert backfill(migration).written == 400
    assert_imported(rows)


KILLS = [
    ("objects", 3, "after"),
    ("start", 0, "after"),
    ("look", 1, "after"),
    ("account", 4, "after"),
    ("manifest", 0, "before"),
]
MORE_KILLS = [
    ("objects", 0, "before"),
    ("keep", 0, "before"),
    ("keep", 0, "after"),
    ("keep", 3, "after"),
    ("remove", 0, "before"),
]


@pytest.mark.parametrize(("point", "count", "moment"), [*KILLS, *(MORE_KILLS if TORTURE else [])])
def test_a_killed_run_ends_with_the_same_result(
    migration: Migration, rows: Any, warehouse: Path, endpoint: ImportEndpoint, point: str, count: int, moment: str
) -> None:
    run_and_kill(warehouse, point, count, moment)
    written: list[int] = []

    def noting(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        written.extend(task.bucket for task in tasks)
        return in_process(tasks, work, **options)

    manifest = backfill(migration, fan_out=noting, importing=ImportOptions())
    assert manifest.records == manifest.written == 400
    assert_imported(rows)
    assert [entry.name for entry in (migration.folder.root / "backfills").children()] == [manifest.id]
    tables = Counter(request["TableCreationParameters"]["TableName"] for request in endpoint.asked)
    assert tables == {"shop": 1, "prices": 1}
    done = {("objects", 0, "before"): 0, ("objects", 3, "after"): 4}.get((point, count, moment), BUCKETS)
    assert written == list(range(done, BUCKETS))
    assert objects() == {}


def test_an_import_that_ended_while_nobody_looked(
    migration: Migration, rows: Any, warehouse: Path, endpoint: ImportEndpoint
) -> None:
    """Its answer was lost, and the table is there by then: the token alone would be refused."""
    run_and_kill(warehouse, "start", 1, "after")
    for one in endpoint.imports:
        one.looks_left = 0
        endpoint.describe_import({"ImportArn": one.arn})
    assert [one.status for one in endpoint.imports] == ["COMPLETED", "COMPLETED"]
    assert backfill(migration, importing=ImportOptions()).written == 400
    assert len(endpoint.imports) == 2
    assert_imported(rows)


def test_an_interrupt_says_that_the_import_goes_on(
    migration: Migration, rows: Any, endpoint: ImportEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(imports, "describe_import", interrupted)
        with pytest.raises(
            KeyboardInterrupt,
            match=r"^interrupted; the import of prices, shop goes on in DynamoDB: run `crossover backfill` with --mode "
            "import again to await it$",
        ):
            backfill(migration, run_id="first")
    assert backfill(migration, resume=True).id == "first"
    assert len(endpoint.imports) == 2
    assert_imported(rows)


def refusing(number: int) -> Callable[[dict[str, Any]], str | None]:
    return lambda item: "Type mismatch for Index Key g" if item.get("id") == {"N": str(number)} else None


def test_an_import_that_failed(migration: Migration, rows: Any, endpoint: ImportEndpoint) -> None:
    endpoint.refuse = refusing(42)
    with pytest.raises(TargetError) as failed:
        backfill(migration, run_id="first")
    (line,) = str(failed.value).splitlines()
    (one,) = [one for one in endpoint.imports if one.table == "prices"]
    assert line.startswith(f"table prices: its import {one.id} ended as FAILED (ItemValidationError: Some of the items")
    assert "; 99 of 100 items were imported, 1 refused; what is in the table stays: mend the cause, delete" in line
    assert f"CloudWatch log group {LOG_GROUP}, stream {one.id}/error: 1 entries" in line
    assert "Type mismatch" not in line
    path = on_disk(migration.folder.backfill("first")) / "failed" / "import.parquet"
    assert line.endswith(f"the refused items are listed in {path}")
    assert pq.read_table(path).to_pylist() == [
        {
            "item_type": None,
            "table": "prices",
            "key": '{"id":{"N":"42"}}',
            "source_key": None,
            "error": "Type mismatch for Index Key g",
        }
    ]
    assert not (migration.folder.backfill("first") / "manifest.json").exists()
    assert (len(stored()["shop"]), len(stored()["prices"])) == (300, 99)

    with pytest.raises(TargetError, match="99 of 100 items were imported"):
        backfill(migration)
    assert len(endpoint.imports) == 2

    endpoint.refuse = lambda item: None
    boto3.client("dynamodb").delete_table(TableName="prices")
    manifest = backfill(migration)
    assert (manifest.id, manifest.written) == ("first", 400)
    assert_imported(rows)
    tables = Counter(request["TableCreationParameters"]["TableName"] for request in endpoint.asked)
    assert tables == {"shop": 1, "prices": 2}
    assert len({request["ClientToken"] for request in endpoint.asked}) == 3
    assert not path.exists()


def test_a_failed_import_whose_log_cannot_be_read(
    migration: Migration, rows: Any, endpoint: ImportEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.refuse, endpoint.logs = refusing(42), False
    with pytest.raises(TargetError, match=r"stream .*/error: there is no such stream yet$"):
        backfill(migration)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:9")
    with pytest.raises(TargetError, match=r"CloudWatch gave no answer \(EndpointConnectionError\)$"):
        backfill(migration)


def test_all_failures_are_told_at_once(migration: Migration, rows: Any, endpoint: ImportEndpoint) -> None:
    endpoint.refuse = lambda item: "no" if {"N": "7"} in item.values() or {"S": "C#7"} in item.values() else None
    with pytest.raises(TargetError) as failed:
        backfill(migration)
    assert [line.split(":")[0] for line in str(failed.value).splitlines()] == ["table prices", "table shop"]


@pytest.mark.parametrize("name", ["processed", "imported"])
def test_counts_that_are_not_ours(migration: Migration, rows: Any, endpoint: ImportEndpoint, name: str) -> None:
    def one_less(of: Import) -> None:
        if of.table == "shop":
            setattr(of, name, 299)

    endpoint.spoil = one_less
    with pytest.raises(
        AccountsError, match=r"table shop: 300 records, but its import processed .*299.*delete the table"
    ):
        backfill(migration)
    assert migration.folder.finished("backfills") == []


def test_passing_faults_make_no_difference(
    migration: Migration, rows: Any, endpoint: ImportEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    """botocore itself repeats a call some times: more faults than that in a row come to us."""
    plan = {
        ("ImportTable", 0): "lost",
        ("ImportTable", 2): "InternalServerError",
        **{("DescribeImport", number): "ThrottlingException" for number in range(2, 12)},
    }
    endpoint.fault = lambda action, number: plan.get((action, number))
    assert backfill(migration).written == 400
    assert len(endpoint.imports) == 2
    assert_imported(rows)
    assert capsys.readouterr().err == ""


def test_an_endpoint_that_is_silent_for_long(
    migration: Migration, rows: Any, endpoint: ImportEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "PATIENCE_SECONDS", 0.0)
    endpoint.fault = lambda action, number: "ThrottlingException" if action == "DescribeImport" else None
    with pytest.raises(TargetError, match=r"throttled for too long .*; what was begun goes on in DynamoDB: run"):
        backfill(migration)
    endpoint.fault = lambda action, number: None
    assert backfill(migration).written == 400
    assert len(endpoint.imports) == 2


def test_imports_beyond_the_limit_wait_for_others_of_ours(
    migration: Migration, rows: Any, endpoint: ImportEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)  # botocore waits longer and longer before it asks again
    endpoint.at_once = 1
    assert backfill(migration).written == 400
    assert_imported(rows)
    endpoint.imports.clear()
    for table in ("shop", "prices"):
        boto3.client("dynamodb").delete_table(TableName=table)
    endpoint.at_once = 0
    with pytest.raises(TargetError, match=r"^table prices: no import more can be begun now, for 50 can be under way"):
        backfill(migration)


def test_objects_that_were_removed_are_written_again(
    migration: Migration, rows: Any, endpoint: ImportEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.fault = lambda action, number: "AccessDeniedException" if action == "ImportTable" else None
    with pytest.raises(TargetError, match="may not call dynamodb:ImportTable"):
        backfill(migration)
    for key in list(objects())[:3]:
        boto3.client("s3").delete_object(Bucket=BUCKET, Key=key)
    endpoint.fault = lambda action, number: None
    assert backfill(migration).written == 400
    assert_imported(rows)
    assert "objects of 3 buckets are no longer in s3://imports/" in capsys.readouterr().err


def test_what_others_put_among_the_objects_is_not_imported(
    migration: Migration, rows: Any, endpoint: ImportEndpoint
) -> None:
    def then_put(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        key = f"some/where/shop/first/{next(iter(tasks[0].objects))}/other.json"
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"{}")
        return in_process(tasks, work, **options)

    with pytest.raises(WarehouseError, match=r"/prices/other\.json: not written by this run, and would be imported"):
        backfill(migration, fan_out=then_put, run_id="first")
    assert endpoint.imports == []


def test_records_that_are_fewer_than_their_manifest_says(migration: Migration, endpoint: ImportEndpoint) -> None:
    keep(migration, "s1", records(10, 10), claimed=21)
    with pytest.raises(AccountsError, match="manifest says 21, but the objects hold 20"):
        backfill(migration)
    assert endpoint.imports == []


def test_an_unfinished_import_of_another_snapshot(migration: Migration, rows: Any, endpoint: ImportEndpoint) -> None:
    endpoint.refuse = refusing(42)
    with pytest.raises(TargetError):
        backfill(migration, run_id="first")
    keep(migration, "s2", rows)
    with pytest.raises(TargetError, match=r"or go on with the unfinished import first by --resume$"):
        backfill(migration)
    with pytest.raises(StageError, match=r"^--s3: the unfinished backfill first has its objects in s3://imports/some"):
        backfill(migration, resume=True, importing=ImportOptions("s3://imports/elsewhere"))
    with pytest.raises(StageError, match=r"^--compression: the unfinished backfill first writes gzip"):
        backfill(migration, resume=True, importing=ImportOptions(compression="zstd"))
    boto3.client("dynamodb").delete_table(TableName="prices")
    endpoint.refuse = lambda item: None
    # insisting on the last run takes its mode, too
    assert run_backfill(migration, in_process, resume=True).snapshot_id == "s1"


def test_a_finished_import_is_not_repeated(migration: Migration, rows: Any, endpoint: ImportEndpoint) -> None:
    first = backfill(migration)
    with pytest.raises(TargetError, match="table shop, prices: there already"):
        backfill(migration)
    assert backfill(migration, resume=True) == first
    assert len(endpoint.imports) == 2


def test_objects_that_cannot_be_removed_do_not_undo_the_import(
    migration: Migration, rows: Any, endpoint: ImportEndpoint, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from pipelines.warehouse.s3_place import S3Place

    def refuse(place: S3Place) -> None:
        raise WarehouseError(f"{place}: cannot be removed")

    monkeypatch.setattr(S3Place, "remove_tree", refuse)
    assert backfill(migration).written == 400
    assert "cannot be removed; the import is done, but its objects stay: remove them" in capsys.readouterr().err
