"""Items that DynamoDB did not take are listed with what finds their records again, and they alone are tried again; the
accounts balance, and no item is counted twice, whatever interrupts that."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from pipelines.backfill import run_backfill
from pipelines.denormalise import make_records
from pipelines.errors import AccountsError, TargetError
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.tables import create_tables
from pipelines.target.backfill_run import BackfillFolder
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.manifest import BackfillManifest
from tests.captured_shop import captured, database
from tests.delivered_shop import (
    MAPPING as LIVE_MAPPING,
)
from tests.delivered_shop import (
    SCHEMA,
    Delivering,
    assert_equal_stores,
    put,
    source_key,
)
from tests.fault_proxy import FaultProxy
from tests.faults import Fault
from tests.integration.test_backfill import MAPPING, expected, keep, records, stored
from tests.on_disk import on_disk
from tests.prepared_shop import Prepared

pytestmark = [pytest.mark.integration, pytest.mark.endpoints("moto", "ministack")]

LIVE_BUCKETS = 4
BAD = frozenset({"C#3", "C#77", "C#140"})
"""Customers that are refused until the cause is mended."""

KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.backfill import run_backfill
from pipelines.backfill.ledger import BackfillLedger
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.target import backfill_run
instant, judging = sys.argv[2], []
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
real_write, real_judge = backfill_run._write, BackfillLedger.judge
def write(place, rows, schema):
    if instant == "sent":
        die()
    real_write(place, rows, schema)
    if instant == place.parent.name:
        die()
def judge(*arguments):
    judging.append(1)
    if instant == "unjudged" and len(judging) == 2:
        die()
    real_judge(*arguments)
backfill_run._write, BackfillLedger.judge = write, judge
if instant == "accounted":
    backfill_run.BackfillFolder.forget_former = die
run_backfill(Migration.open(Path(sys.argv[1])), in_process)
"""
INSTANTS = ("sent", "refused", "failed", "accounted")
"""Of a retry: its items are written, nothing is kept; the files of the next revision are there; the account, too."""


def mentioned(body: dict[str, Any]) -> set[str]:
    """The partition keys of what a request is to write."""
    if "RequestItems" in body:
        items = [one["PutRequest"]["Item"] for puts in body["RequestItems"].values() for one in puts]
    elif "Statements" in body:
        return {value["S"] for one in body["Statements"] for value in one["Parameters"] if "S" in value}
    else:
        items = [body["Item"]]
    return {value for item in items for value in item.get("pk", item.get("id", {})).values()}


def refusing(*keys: str) -> Callable[[int, dict[str, Any]], str | None]:
    return lambda _, body: "ValidationException" if mentioned(body) & set(keys) else None


@contextmanager
def through(proxy: FaultProxy) -> Iterator[FaultProxy]:
    with proxy.serving(), pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        yield proxy


def killed(mapping: Path, instant: str) -> None:
    child = subprocess.run([sys.executable, "-c", KILLED, str(mapping), instant], check=False)
    assert child.returncode == -signal.SIGKILL


def listed(folder: Path) -> list[dict[str, Any]]:
    rows = [row for file in sorted((folder / "failed").iterdir()) for row in pq.ParquetFile(file).read().to_pylist()]
    return sorted(rows, key=lambda row: str(row["key"]))


def accounts(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in (folder / "buckets").glob("*.json")]
    for one in found:
        parts = ("written", "superseded", "conflicts", "failed", "refused")
        assert one["records"] == sum(one[name] for name in parts)
    return found


@pytest.fixture
def mapping(dynamodb_environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a cold migration with its tables, empty, and the records of snapshot `s1`."""
    path = tmp_path / "mapping.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(tmp_path / "warehouse"))
    migration = Migration.open(path)
    create_tables(migration.mapping, dynamodb_client())
    keep(migration, "s1", [row | {"source_key": source_key(n)} for n, row in enumerate(records(300, 100))])
    return path


@pytest.fixture
def folder(mapping: Path, dynamodb_environment: str) -> Path:
    """Of a cold run whose BAD customers were refused, and listed."""
    migration = Migration.open(mapping)
    with (
        through(FaultProxy(dynamodb_environment, refusing(*BAD))),
        pytest.raises(
            TargetError, match=r"3 of 400 items were not written \(3 ValidationException\).* and only those$"
        ),
    ):
        run_backfill(migration, in_process, run_id="first")
    return on_disk(migration.folder.backfill("first"))


def test_what_was_refused_is_listed_so_that_its_record_can_be_found(folder: Path) -> None:
    rows = listed(folder)
    assert {json.loads(row["key"])["pk"]["S"]: row["source_key"] for row in rows} == {
        f"C#{n}": source_key(n) for n in (3, 77, 140)
    }
    assert {(row["item_type"], row["table"], row["error"]) for row in rows} == {
        ("customer", "shop", "ValidationException: on purpose")
    }


def test_only_what_failed_is_tried_again(mapping: Path, folder: Path, dynamodb_environment: str) -> None:
    before = {path.name: path.read_bytes() for path in (folder / "buckets").iterdir()}
    with through(FaultProxy(dynamodb_environment)) as proxy:
        manifest = run_backfill(Migration.open(mapping), in_process)
    assert {item["pk"]["S"] for item in proxy.landed} == BAD
    assert len(proxy.landed) == 3
    assert (manifest.id, manifest.records, manifest.written, manifest.failed) == ("first", 400, 400, 0)
    assert stored() == expected(records(300, 100))
    assert list((folder / "failed").iterdir()) == []
    changed = [path.name for path in (folder / "buckets").iterdir() if path.read_bytes() != before[path.name]]
    assert len(changed) == len({account["bucket"] for account in accounts(folder) if account["revision"] > 1}) <= 3


def test_what_fails_again_stays_listed(mapping: Path, folder: Path, dynamodb_environment: str) -> None:
    with (
        through(FaultProxy(dynamodb_environment, refusing("C#77"))),
        pytest.raises(TargetError, match="1 of 400 items"),
    ):
        run_backfill(Migration.open(mapping), in_process, resume=True)
    assert [json.loads(row["key"])["pk"]["S"] for row in listed(folder)] == ["C#77"]
    assert Counter(account["failed"] for account in accounts(folder))[1] == 1
    assert sum(account["written"] for account in accounts(folder)) == 399
    assert run_backfill(Migration.open(mapping), in_process, resume=True).written == 400
    assert stored() == expected(records(300, 100))


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_retry_that_is_killed_counts_nothing_twice(
    mapping: Path, folder: Path, dynamodb_environment: str, instant: str
) -> None:
    killed(mapping, instant)
    accounts(folder)
    with through(FaultProxy(dynamodb_environment)) as proxy:
        manifest = run_backfill(Migration.open(mapping), in_process)
    assert {item["pk"]["S"] for item in proxy.landed} <= BAD
    assert (manifest.id, manifest.written, manifest.failed) == ("first", 400, 0)
    assert sum(account["written"] for account in accounts(folder)) == 400
    assert list((folder / "failed").iterdir()) == []
    assert stored() == expected(records(300, 100))


def test_a_list_that_does_not_fit_the_account_is_one_clear_line(mapping: Path, folder: Path) -> None:
    next((folder / "failed").iterdir()).unlink()
    with pytest.raises(AccountsError, match=r"items had failed, but 0 of them are listed .* remove .*\.json, and the"):
        run_backfill(Migration.open(mapping), in_process)


@pytest.fixture(scope="module")
def prepared(postgres_server: str, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """20 orders and 8 seats from before the capture, and their records."""
    folder = tmp_path_factory.mktemp("prepared")
    with database(postgres_server, "dead_letters") as url:
        shop = captured(url, folder, SCHEMA, LIVE_MAPPING)
        shop.run(
            "INSERT INTO orders SELECT n, 100 + n, 'old' FROM generate_series(1, 20) n",
            "INSERT INTO seats SELECT n, 'S' || n, 'g' || n FROM generate_series(1, 8) n",
        )
        shop.forget()
        make_records(shop.migration, spark, take_snapshot(shop.migration, url).id, LIVE_BUCKETS)
        yield Prepared(f"{url.rpartition('/')[0]}/postgres", "dead_letters", folder, {})


@pytest.fixture
def shop(
    prepared: Prepared, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Delivering]:
    with prepared.copy(f"letters_{secrets.token_hex(4)}", tmp_path, monkeypatch) as shop:
        yield shop


def balanced(manifest: BackfillManifest, **counts: int) -> BackfillManifest:
    parts = ("written", "superseded", "conflicts", "failed")
    assert manifest.records == sum(getattr(manifest, name) for name in parts) == 28
    assert {name: getattr(manifest, name) for name in counts} == counts
    return manifest


@pytest.mark.parametrize("instant", [None, *INSTANTS, "unjudged"])
def test_what_a_live_run_tries_again_is_judged_as_ever(
    shop: Delivering, dynamodb_environment: str, instant: str | None
) -> None:
    """Of what failed, one item has changed since, and is there; another is not ours; a third was deleted since."""
    migration = shop.shop.migration
    put("orders", {"pk": {"S": "C101"}, "sk": {"S": "O1"}, "theirs": {"S": "x"}})  # met by the first attempt
    with (
        through(FaultProxy(dynamodb_environment, refusing("C102", "C103", "C104", "C105", "S8"))),
        pytest.raises(TargetError, match="ValidationException"),
    ):
        run_backfill(migration, in_process, run_id="first")
    shop.run("UPDATE orders SET note = 'new' WHERE id = 2", "DELETE FROM orders WHERE id = 3")
    shop.drain()
    put("orders", {"pk": {"S": "C104"}, "sk": {"S": "O4"}, "theirs": {"S": "x"}})
    if instant is not None:
        killed(on_disk(migration.folder.root).parent.parent / "mapping.yaml", instant)
    manifest = run_backfill(migration, in_process)
    balanced(manifest, written=24, superseded=2, conflicts=2, failed=0)
    kept = BackfillFolder(migration.folder.backfill("first"))
    letters = [one for account in kept.accounts(range(LIVE_BUCKETS)) for one in kept.failed(account)]
    assert sorted((one.source_key, one.is_conflict) for one in letters) == [
        (source_key(1), True),
        (source_key(4), True),
    ]
    assert [one.name for one in (kept.path / "refused").children()] == []
    shop.run("UPDATE orders SET customer = NULL WHERE id IN (1, 4)")  # which leaves what is not ours alone
    client = dynamodb_client()
    for n in (1, 4):
        client.delete_item(TableName="orders", Key={"pk": {"S": f"C10{n}"}, "sk": {"S": f"O{n}"}})
    shop.drain()
    assert_equal_stores(shop)


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.TRUNCATED, Fault.ERROR_500_AFTER, Fault.UNSURE_STATEMENTS])
def test_a_retry_that_its_own_earlier_success_refuses_counts_as_written(
    shop: Delivering, dynamodb_environment: str, fault: Fault, request: pytest.FixtureRequest
) -> None:
    """The first answer to each request is lost once the server has acted. By PutItem, or by PartiQL where it is."""
    if fault is Fault.UNSURE_STATEMENTS and "moto" in request.node.name:
        pytest.skip("moto has no PartiQL")
    seen: set[tuple[str, frozenset[str]]] = set()

    def plan(_: int, body: dict[str, Any]) -> Fault | None:
        kind = "Statements" if "Statements" in body else "Item"
        one = (kind, frozenset(mentioned(body)))
        if one in seen or (fault is Fault.UNSURE_STATEMENTS and kind == "Item"):
            return None
        seen.add(one)
        return fault

    with through(FaultProxy(dynamodb_environment, plan)) as proxy:
        manifest = run_backfill(shop.shop.migration, in_process)
    balanced(manifest, written=28, superseded=0, conflicts=0, failed=0)
    assert len(proxy.landed) == 28  # each was written once, however often it was sent
    assert_equal_stores(shop)


def test_buckets_that_were_judged_are_not_judged_again(shop: Delivering, dynamodb_environment: str) -> None:
    """[the accounts of finished buckets would grow by what an earlier attempt has counted]"""
    migration = shop.shop.migration
    shop.run("UPDATE orders SET note = 'new' WHERE id < 10")
    shop.drain()
    with through(FaultProxy(dynamodb_environment, refusing("S8"))), pytest.raises(TargetError, match="1 of 28 items"):
        run_backfill(migration, in_process)
    for _ in range(2):
        with through(FaultProxy(dynamodb_environment, refusing("S8"))), pytest.raises(TargetError, match="1 of 28"):
            run_backfill(migration, in_process)
    balanced(run_backfill(migration, in_process), written=19, superseded=9)
