"""The stage `backfill`, cold: every record is written and accounted for, whatever interrupts it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from pipelines.backfill import estimate, run_backfill
from pipelines.errors import AccountsError, StageError, TargetError, UsageError, WarehouseError
from pipelines.fanout import SparkFanOut, in_process
from pipelines.items.bucket import bucket_of
from pipelines.items.canonical import digest
from pipelines.items.record import RECORD_SCHEMA
from pipelines.mapping.load import parse_mapping
from pipelines.migration import Migration
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.dataset import BucketWriter
from pipelines.warehouse.layout import MigrationFolder, read_manifest, write_manifest
from pipelines.warehouse.manifest import BackfillManifest, ItemTypeCounts, RecordsManifest
from pipelines.warehouse.place import Place
from tests.fault_proxy import FaultProxy
from tests.faults import Fault, seeded
from tests.on_disk import on_disk

pytestmark = [pytest.mark.integration, pytest.mark.endpoints("moto", "ministack")]

BUCKETS = 8
MAPPING = """
migration: shop
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      indexes: {gsi1: {partition_key: {name: g, type: S}}}
    prices: {partition_key: {name: id, type: N}}
items:
  customer: {table: shop, from: customers, key: {pk: "C#{id}", sk: PROFILE}}
  price: {table: prices, from: prices, key: {id: "{id}"}}
"""

CHILD = """
import sys
from pathlib import Path
from pipelines.backfill import run_backfill
from pipelines.fanout import SparkFanOut, in_process
from tests.integration.test_backfill import opened
run_backfill(opened(Path(sys.argv[1])), in_process)
"""


def opened(warehouse: Path | Place, text: str = MAPPING) -> Migration:
    mapping = parse_mapping(text, "shop.yaml")
    return Migration(mapping, mapping.meaning_hash(), MigrationFolder.open(warehouse, mapping.migration))


def records(customers: int, prices: int) -> list[dict[str, Any]]:
    """Rows of RECORD_SCHEMA; an item's text is written out by hand."""
    rows = []
    for number in range(customers):
        key = f'{{"pk":{{"S":"C#{number}"}},"sk":{{"S":"PROFILE"}}}}'
        rows.append(row("customer", "shop", key, f'{{"name":{{"S":"Zoë \\"{number}\\" 日本"}},{key[1:]}'))
    for number in range(prices):
        key = f'{{"id":{{"N":"{number}"}}}}'
        rows.append(row("price", "prices", key, f'{{"amount":{{"N":"{number}.5"}},{key[1:]}'))
    return rows


def row(item_type: str, table: str, key: str, item: str) -> dict[str, Any]:
    return {
        "item_type": item_type,
        "table": table,
        "key": key,
        "source_key": None,
        "bucket": bucket_of(key, BUCKETS),
        "item": item,
        "version": 0,
        "digest": digest(item),
        "size": len(item),
    }


def keep(migration: Migration, snapshot_id: str, rows: Sequence[dict[str, Any]], claimed: int | None = None) -> None:
    """A finished records dataset."""
    folder = migration.folder.records(snapshot_id)
    with BucketWriter(folder / "records", "part-0") as writer:
        writer.write(pa.Table.from_pylist(list(rows), schema=RECORD_SCHEMA))
    counts = ItemTypeCounts(rows=0, filtered=0, records=0, rejects=0, embeds={})
    manifest = RecordsManifest(
        migration="shop",
        mapping_hash=migration.mapping_hash,
        id=snapshot_id,
        started_at=datetime.now(UTC),
        snapshot_id=snapshot_id,
        buckets=BUCKETS,
        records=len(rows) if claimed is None else claimed,
        rejects=0,
        reject_reasons={},
        item_types={"customer": counts, "price": counts},
    )
    write_manifest(folder, manifest)


def stored() -> dict[str, list[dict[str, Any]]]:
    """Each table's items as boto3 reads them."""
    client = boto3.client("dynamodb")
    found = {}
    for table in client.list_tables()["TableNames"]:
        pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        found[table] = sorted((item for page in pages for item in page["Items"]), key=json.dumps)
    return found


def expected(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    items: dict[str, list[dict[str, Any]]] = {"shop": [], "prices": []}
    for one in rows:
        # DynamoDB's attributes have no order; the reader's is the writer's, `_v` last
        items[one["table"]].append(json.loads(one["item"]) | {"_v": {"N": "0"}})
    return {table: sorted(of_table, key=json.dumps) for table, of_table in items.items()}


@pytest.fixture
def migration(dynamodb_environment: str, warehouse: Path) -> Migration:
    """With both tables, empty."""
    migration = opened(warehouse)
    create_tables(migration.mapping, dynamodb_client())
    return migration


@pytest.fixture
def rows(migration: Migration) -> list[dict[str, Any]]:
    """300 customers and 100 prices, kept as the records of snapshot `s1`."""
    made = records(300, 100)
    keep(migration, "s1", made)
    return made


def stopping_after(buckets: int) -> Callable[..., list[Any]]:
    """A fan-out that is interrupted once so many buckets are done."""

    def fan_out(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        in_process(tasks[:buckets], work, **options)
        raise KeyboardInterrupt

    return fan_out


def test_every_record_becomes_an_item_and_the_accounts_say_so(migration: Migration, rows: Any) -> None:
    manifest = run_backfill(migration, in_process)
    assert stored() == expected(rows)
    assert (manifest.records, manifest.written) == (400, 400)
    assert (manifest.superseded, manifest.conflicts, manifest.failed) == (0, 0, 0)
    assert (manifest.snapshot_id, manifest.mode, manifest.buckets) == ("s1", "cold", BUCKETS)
    folder = migration.folder.backfill(manifest.id)
    assert read_manifest(folder, BackfillManifest, migration.mapping_hash) == manifest
    accounts = [json.loads(path.read_text()) for path in (folder / "buckets").children()]
    assert sorted(one["bucket"] for one in accounts) == list(range(BUCKETS))
    assert sum(one["written"] for one in accounts) == 400
    assert (folder / "failed").children() == []
    assert (folder / "progress").children() == []


def test_no_records_at_all_is_a_finished_run(migration: Migration) -> None:
    keep(migration, "s1", [])
    assert run_backfill(migration, in_process).records == 0


def test_only_some_item_types_and_buckets(migration: Migration, rows: Any) -> None:
    manifest = run_backfill(migration, in_process, item_types=("price",), buckets=[1, 3])
    chosen = [one for one in rows if one["item_type"] == "price" and one["bucket"] in (1, 3)]
    assert 0 < len(chosen) == manifest.records == manifest.written
    assert stored() == expected(chosen)


def test_what_does_not_exist_cannot_be_chosen(migration: Migration, rows: Any) -> None:
    with pytest.raises(UsageError, match="no item type nobody; there are customer, price"):
        run_backfill(migration, in_process, item_types=("nobody",))
    with pytest.raises(UsageError, match="from 0 to 7"):
        run_backfill(migration, in_process, buckets=[8])


@pytest.mark.parametrize(
    ("mode", "problem"),
    [("live", "snapshot s1 has no versions"), ("import", "DynamoDB reads the items from S3"), ("warm", "no such mode")],
)
def test_modes_that_cannot_be_had_are_refused(migration: Migration, rows: Any, mode: str, problem: str) -> None:
    with pytest.raises(UsageError, match=f"--mode {mode}: {problem}"):
        run_backfill(migration, in_process, mode=mode)
    assert not (migration.folder.root / "backfills").exists()


def test_missing_tables_are_named(migration: Migration, rows: Any) -> None:
    boto3.client("dynamodb").delete_table(TableName="prices")
    with pytest.raises(TargetError, match=r"no table prices on http.*; run `crossover tables` first"):
        run_backfill(migration, in_process)


def test_a_table_of_another_shape_is_refused(migration: Migration, rows: Any) -> None:
    other = opened(migration.folder.root.parent, MAPPING.replace("{name: id, type: N}", "{name: id, type: S}"))
    keep(other, "s2", [])
    with pytest.raises(TargetError, match=r"its key is id \(N\), the mapping says id \(S\)"):
        run_backfill(other, in_process)


def test_tables_that_hold_something_are_refused(migration: Migration, rows: Any) -> None:
    boto3.client("dynamodb").put_item(TableName="prices", Item={"id": {"N": "-1"}})
    with pytest.raises(TargetError, match=r"^table prices: not empty; .*empty them, or overwrite .* by --force$"):
        run_backfill(migration, in_process)
    assert not (migration.folder.root / "backfills").exists()
    assert run_backfill(migration, in_process, force=True).written == 400
    assert len(stored()["prices"]) == 101


def test_a_finished_run_is_not_repeated_unless_forced(
    migration: Migration, rows: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run_backfill(migration, in_process)
    with pytest.raises(TargetError, match="table shop, prices: not empty"):
        run_backfill(migration, in_process)
    capsys.readouterr()
    assert run_backfill(migration, in_process, resume=True) == first
    assert f"backfill {first.id} of snapshot s1 is finished; nothing is left to do" in capsys.readouterr().err
    again = run_backfill(migration, in_process, force=True)
    assert again.id != first.id
    assert stored() == expected(rows)


def test_records_of_another_mapping_are_refused(migration: Migration, rows: Any) -> None:
    other = opened(migration.folder.root.parent, MAPPING.replace("PROFILE", "MAIN"))
    with pytest.raises(StageError, match="made with another mapping"):
        run_backfill(other, in_process)


@pytest.mark.parametrize("resume", [False, True])
def test_an_interrupted_run_goes_on_where_it_stopped(
    migration: Migration, rows: Any, resume: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_backfill(migration, stopping_after(3), run_id="first")
    written: list[int] = []

    def noting(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        written.extend(task.bucket for task in tasks)
        return in_process(tasks, work, **options)

    if resume:
        keep(migration, "s2", [])  # a newer snapshot does not matter to the run that began
    manifest = run_backfill(migration, noting, resume=resume)
    assert (manifest.id, manifest.snapshot_id, manifest.written) == ("first", "s1", 400)
    assert ("backfill first of snapshot s1 is unfinished: it goes on" in capsys.readouterr().err) is not resume
    assert written == [3, 4, 5, 6, 7]
    assert stored() == expected(rows)


def test_nothing_to_resume_is_an_error(migration: Migration, rows: Any) -> None:
    with pytest.raises(StageError, match="--resume: there is no backfill to go on with"):
        run_backfill(migration, in_process, resume=True)
    assert not (migration.folder.root / "backfills").exists()
    run_backfill(migration, in_process)
    keep(migration, "s2", rows)
    with pytest.raises(StageError, match="of snapshot s1, is finished, and wrote something else"):
        run_backfill(migration, in_process, resume=True)


def test_an_unfinished_run_of_another_snapshot_is_not_gone_on_with_unasked(migration: Migration, rows: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_backfill(migration, stopping_after(3), run_id="first")
    keep(migration, "s2", rows)
    with pytest.raises(TargetError, match="go on with the unfinished run first by --resume"):
        run_backfill(migration, in_process)


def test_an_unfinished_run_before_a_finished_one_stays_so(migration: Migration, rows: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_backfill(migration, stopping_after(3), run_id="z-older")
    keep(migration, "s2", rows[:10])
    assert run_backfill(migration, in_process, force=True, run_id="a-newer").snapshot_id == "s2"
    assert run_backfill(migration, in_process, resume=True).id == "a-newer"
    with pytest.raises(StageError, match="a-newer of snapshot s2, is finished, and wrote something else"):
        run_backfill(migration, in_process, resume=True, snapshot_id="s1")


@pytest.mark.parametrize("recreated", [True, False])
def test_a_run_whose_items_are_gone_begins_anew(migration: Migration, rows: Any, recreated: bool) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_backfill(migration, stopping_after(3), run_id="first")
    client = boto3.client("dynamodb")
    if recreated:
        for table in migration.mapping.target.tables:
            client.delete_table(TableName=table)
        create_tables(migration.mapping, client)
    else:
        for table, items in stored().items():
            names = [key.name for key in migration.mapping.target.tables[table].keys]
            for item in items:
                client.delete_item(TableName=table, Key={name: item[name] for name in names})
    with pytest.raises(StageError, match="the unfinished backfill first cannot be gone on with: the tables"):
        run_backfill(migration, in_process, resume=True)
    manifest = run_backfill(migration, in_process)
    assert manifest.id != "first"
    assert stored() == expected(rows)


@pytest.mark.parametrize("snapshot_id", ["../s1", "", "/etc", "s1/../s1"])
def test_an_id_is_never_a_path(migration: Migration, rows: Any, snapshot_id: str) -> None:
    for call in (
        lambda: run_backfill(migration, in_process, snapshot_id=snapshot_id),
        lambda: estimate(migration, snapshot_id=snapshot_id),
    ):
        with pytest.raises(UsageError, match="an id has letters"):
            call()
    with pytest.raises(UsageError, match="an id has letters"):
        run_backfill(migration, in_process, run_id=snapshot_id)


def test_what_changed_meanwhile_is_not_gone_on_with(migration: Migration, rows: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_backfill(migration, stopping_after(3))
    other = opened(migration.folder.root.parent, MAPPING.replace("PROFILE", "MAIN"))
    with pytest.raises(StageError, match="the mapping changed since it began"):
        run_backfill(other, in_process, resume=True)
    with pytest.raises(StageError, match="writes snapshot s1, not s9"):
        run_backfill(migration, in_process, resume=True, snapshot_id="s9")
    with pytest.raises(StageError, match="other item types or buckets"):
        run_backfill(migration, in_process, resume=True, item_types=("price",))
    keep(migration, "s1", rows)
    with pytest.raises(StageError, match="the records of snapshot s1 were made again"):
        run_backfill(migration, in_process, resume=True)


def test_records_that_are_fewer_than_their_manifest_says(migration: Migration) -> None:
    keep(migration, "s1", records(10, 10), claimed=21)
    with pytest.raises(AccountsError, match="manifest says 21, but the buckets hold 20"):
        run_backfill(migration, in_process)
    assert migration.folder.finished("backfills") == []


def test_a_damaged_file_is_one_clear_line(migration: Migration, rows: Any) -> None:
    next((on_disk(migration.folder.records("s1")) / "records").glob("*/*.parquet")).write_bytes(b"PAR1 not at all PAR1")
    with pytest.raises(WarehouseError, match=r"\.parquet: damaged"):
        run_backfill(migration, in_process)


def test_a_stormy_endpoint_makes_no_difference(
    migration: Migration, rows: Any, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = tuple(fault for fault in Fault if fault is not Fault.SLOW)
    proxy = FaultProxy(dynamodb_environment, seeded(3, share=0.5, faults=faults))
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        manifest = run_backfill(migration, in_process)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_environment)
    assert len(proxy.met) > 3
    assert manifest.written == 400
    assert stored() == expected(rows)


def test_an_item_that_is_refused_is_counted_listed_and_tried_again(
    migration: Migration, rows: Any, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_price_42(_: int, body: dict[str, Any]) -> str | None:
        puts = body["RequestItems"].get("prices", [])
        ids = [one["PutRequest"]["Item"]["id"]["N"] for one in puts]
        return "ValidationException" if "42" in ids else None

    proxy = FaultProxy(dynamodb_environment, refuse_price_42)
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        with pytest.raises(
            TargetError,
            match=r"backfill b1: 1 of 400 items were not written \(1 ValidationException\).*running it again",
        ):
            run_backfill(migration, in_process, run_id="b1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_environment)
    folder = migration.folder.backfill("b1")
    assert not (folder / "manifest.json").exists()
    bucket = bucket_of('{"id":{"N":"42"}}', BUCKETS)
    account = json.loads((folder / "buckets" / f"{bucket}.json").read_text())
    assert account["failed"] == 1
    assert account["records"] == account["written"] + 1
    failed = pq.ParquetFile(on_disk(folder) / "failed" / f"bucket={bucket}.parquet").read().to_pylist()
    assert failed == [
        {
            "item_type": "price",
            "table": "prices",
            "key": '{"id":{"N":"42"}}',
            "source_key": None,
            "error": "ValidationException: on purpose",
        }
    ]
    assert len(stored()["prices"]) == 99

    assert run_backfill(migration, in_process).written == 400
    assert stored() == expected(rows)
    assert (folder / "failed").children() == []


def test_one_run_at_a_time(migration: Migration, rows: Any) -> None:
    def second_run(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        with pytest.raises(StageError, match="run first is under way"):
            run_backfill(migration, in_process, force=True)
        return in_process(tasks, work, **options)

    assert run_backfill(migration, second_run, run_id="first").written == 400


def run_and_kill(warehouse: Path, finished_buckets: int, then_seconds: float) -> None:
    """Runs or resumes a backfill in a process of its own, and ends that by SIGKILL a moment after so many buckets."""
    accounts = warehouse / "shop" / "backfills"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", CHILD, str(warehouse)]
    with subprocess.Popen(command, env=environment) as child:
        while child.poll() is None and len(list(accounts.glob("*/buckets/*.json"))) < finished_buckets:
            time.sleep(0.005)
        time.sleep(then_seconds)
        child.send_signal(signal.SIGKILL)


@pytest.mark.endpoints("moto")  # any quicker one has all items before it is killed
@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_ends_with_the_same_result(migration: Migration, warehouse: Path, seed: int) -> None:
    rows = records(1500, 500)
    keep(migration, "s1", rows)
    dice = random.Random(seed)
    run_and_kill(warehouse, dice.randint(1, 3), dice.uniform(0.0, 0.1))
    run_and_kill(warehouse, dice.randint(4, 6), dice.uniform(0.0, 0.1))
    assert 0 < sum(map(len, stored().values())) < 2000
    manifest = run_backfill(migration, in_process, resume=True)
    assert manifest.records == manifest.written == 2000
    assert stored() == expected(rows)
    assert [entry.name for entry in (migration.folder.root / "backfills").children()] == [manifest.id]


def test_the_forecast_asks_nobody(migration: Migration, rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    forecast = estimate(migration)
    assert forecast.records == 400
    assert forecast.bytes == sum(one["size"] for one in rows)
    assert forecast.write_units == 300 * 2 + 100
    assert estimate(migration, item_types=("price",)).write_units == 100


def test_spark_tasks_write_with_the_settings_of_now(spark: SparkSession, migration: Migration, rows: Any) -> None:
    manifest = run_backfill(migration, SparkFanOut(spark))  # the session is older than the endpoint's variables
    assert manifest.written == 400
    assert stored() == expected(rows)


def test_what_a_spark_task_cannot_mend_is_one_line_here(
    spark: SparkSession, migration: Migration, rows: Any, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = FaultProxy(dynamodb_environment, lambda number, body: "AccessDeniedException")
    with proxy.serving(), pytest.raises(TargetError, match="may not call dynamodb:BatchWriteItem"):
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        run_backfill(migration, SparkFanOut(spark))


def test_an_interrupt_finishes_the_buckets_under_way(
    spark: SparkSession, migration: Migration, rows: Any, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def once_one_is_done(tasks: Sequence[Any], work: Callable[[Any], Any], **options: Any) -> list[Any]:
        accounts = tasks[0].run_folder / "buckets"
        look = options.pop("on_poll")
        sent: list[bool] = []

        def interrupt() -> None:
            look()
            if not sent and accounts.children():
                sent.append(True)
                os.kill(os.getpid(), signal.SIGINT)

        return SparkFanOut(spark)(tasks, work, on_poll=interrupt, **options)

    proxy = FaultProxy(dynamodb_environment, lambda number, body: Fault.SLOW, slow_seconds=0.5)
    with proxy.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        with pytest.raises(KeyboardInterrupt):
            run_backfill(migration, once_one_is_done, run_id="first")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_environment)
    accounts = (migration.folder.backfill("first") / "buckets").children()
    in_whole = sum(json.loads(path.read_text())["written"] for path in accounts)
    assert 0 < len(accounts) < BUCKETS
    assert sum(map(len, stored().values())) == in_whole  # nothing half done was left
    assert run_backfill(migration, SparkFanOut(spark), resume=True).written == 400
    assert stored() == expected(rows)
