"""`--wcu`: what a backfill consumes, as another counts it, is within the budget over any five seconds, and near it.

The endpoint takes items faster than any budget here, so that only the budget holds them back. The whole of the matrix
runs with CROSSOVER_TORTURE=1, and takes twenty minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines import cli
from pipelines.backfill import run, run_backfill
from pipelines.errors import TargetError, UsageError
from pipelines.fanout import SparkFanOut, in_process
from pipelines.items.bucket import bucket_of
from pipelines.items.canonical import digest
from pipelines.items.record import RECORD_SCHEMA
from pipelines.items.size import canonical_size
from pipelines.mapping.load import parse_mapping
from pipelines.migration import Migration
from pipelines.spark import session
from pipelines.tables import create_tables
from pipelines.target.capacity import Capacity, Kind, Units
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.dataset import BucketWriter
from pipelines.warehouse.layout import MigrationFolder, write_manifest
from pipelines.warehouse.manifest import ItemTypeCounts, RecordsManifest
from tests.capacity_account import CapacityAccount, CountingEndpoint, Index
from tests.fault_proxy import FaultProxy
from tests.faults import Fault, seeded
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

BUCKETS = 8
TABLE = "shop"
INDEXES = """
      indexes:
        all: {partition_key: {name: g, type: S}}
        some: {partition_key: {name: h, type: S}, sort_key: {name: i, type: N}, projection: {include: [note]}}
"""
MAPPING = """
migration: shop
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      billing: BILLING
INDEXES
    other: {partition_key: {name: pk, type: S}, billing: BILLING}
items:
  thing: {table: shop, from: things, key: {pk: "C#{customer_id}", sk: "T#{id}"}}
  other: {table: other, from: others, key: {pk: "O#{id}"}}
"""
COUNTED = (Index(("g",)), Index(("h", "i"), frozenset({"pk", "sk", "h", "i", "note"})))
CHILD = """
import sys
from pathlib import Path
from tests.integration.test_backfill_budget import by_spark
by_spark(Path(sys.argv[1]), *sys.argv[2:])
"""


def opened(warehouse: Path, indexes: bool, billing: str = "on_demand") -> Migration:
    text = MAPPING.replace("INDEXES", INDEXES if indexes else "").replace("BILLING", billing)
    mapping = parse_mapping(text, "shop.yaml")
    return Migration(mapping, mapping.meaning_hash(), MigrationFolder.open(warehouse, mapping.migration))


def thing(number: int, size: int) -> dict[str, Any]:
    """Every item is in index `all`, every other in `some`; three of four have a `note` of a third of their size."""
    note = "n" * (size // 3) if number % 4 else ""
    key = f'{{"pk":{{"S":"C#{number // 50}"}},"sk":{{"S":"T#{number:06}"}}}}'
    some = f'"h":{{"S":"{number % 7}"}},"i":{{"N":"{number}"}},' if number % 2 else ""
    text = f'{{"g":{{"S":"{number % 9}"}},{some}"note":{{"S":"{note}"}},{key[1:-1]},"z":{{"S":"PADDING"}}}}'
    padding = size - canonical_size(text.replace("PADDING", "")) - len("_v") - 1
    return row("thing", TABLE, key, text.replace("PADDING", "z" * padding))


def other(number: int, size: int) -> dict[str, Any]:
    key = f'{{"pk":{{"S":"O#{number}"}}}}'
    return row("other", "other", key, f'{key[:-1]},"z":{{"S":"{"z" * (size - 20)}"}}}}')


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
        "size": canonical_size(item),
    }


def keep(migration: Migration, rows: Sequence[dict[str, Any]]) -> None:
    """A finished records dataset."""
    folder = migration.folder.records("s1")
    with BucketWriter(folder / "records", "part-0") as writer:
        writer.write(pa.Table.from_pylist(sorted(rows, key=lambda one: one["key"]), schema=RECORD_SCHEMA))
    counts = ItemTypeCounts(rows=0, filtered=0, records=0, rejects=0, embeds={})
    manifest = RecordsManifest(
        migration="shop",
        mapping_hash=migration.mapping_hash,
        id="s1",
        started_at=datetime.now(UTC),
        snapshot_id="s1",
        buckets=BUCKETS,
        records=len(rows),
        rejects=0,
        reject_reasons={},
        item_types={"thing": counts, "other": counts},
    )
    write_manifest(folder, manifest)


def nothing_to_judge(patch: pytest.MonkeyPatch) -> None:
    """A live run without a source: nothing is refused here, so that there is nothing to ask a ledger."""
    patch.setattr(run, "_refused_puts", lambda *_: nullcontext())
    patch.setattr(run, "require_allowed", lambda *_, **__: None)


def by_spark(warehouse: Path, indexes: str, mode: str, wcu: str) -> None:
    """In a process of its own, with a session of its own."""
    with pytest.MonkeyPatch.context() as patch, session() as spark:
        nothing_to_judge(patch)
        run_backfill(opened(warehouse, bool(indexes)), SparkFanOut(spark), mode=mode, wcu=wcu)


@pytest.fixture
def endpoint(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingEndpoint]:
    """Without indexes, until a test says otherwise."""
    with CountingEndpoint(dynamodb_environment, CapacityAccount({TABLE: (), "other": ()})).serving() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint.url)
        yield endpoint


@pytest.fixture
def plain(endpoint: CountingEndpoint, warehouse: Path) -> Migration:
    """Without indexes; with both tables."""
    return prepared(endpoint, warehouse, indexes=False)


def prepared(endpoint: CountingEndpoint, warehouse: Path, *, indexes: bool, billing: str = "on_demand") -> Migration:
    migration = opened(warehouse, indexes, billing)
    endpoint.account.indexes = {TABLE: COUNTED if indexes else (), "other": ()}
    create_tables(migration.mapping, dynamodb_client())
    return migration


def written(migration: Migration, mode: str, tasks: int, wcu: str, indexes: bool, patch: pytest.MonkeyPatch) -> None:
    if tasks == 1:
        nothing_to_judge(patch)
        run_backfill(migration, in_process, mode=mode, wcu=wcu)
        return
    patch.setenv("CROSSOVER_SPARK_MASTER", f"local[{tasks}]")
    arguments = [str(migration.folder.root.local).removesuffix("/shop"), "indexes" if indexes else "", mode, wcu]
    subprocess.run([sys.executable, "-c", CHILD, *arguments], check=True, timeout=300)


def assert_kept(account: CapacityAccount, wcu: float, table: str = TABLE) -> float:
    """Over any five seconds a tenth more at most, or one item. Returns the most that was consumed in five seconds."""
    most = account.most_in_a_window(table)
    assert most <= 5 * wcu + max(0.1 * 5 * wcu, account.dearest(table))
    return most


SMALL, LARGE = 500, 100 * 1024
IN_SHORT = [
    ("cold", 1, SMALL, True, "500", "truth"),
    ("live", 1, LARGE, True, "500", "nothing"),
    pytest.param("cold", 4, SMALL, False, "500", "one", marks=pytest.mark.spark),
]
MATRIX = [
    *(
        (mode, tasks, size, indexes, "500", tells)
        for mode in ("cold", "live")
        for tasks in (1, 4)
        for size in (SMALL, LARGE)
        for indexes in (False, True)
        for tells in ("truth", "nothing")
    ),
    ("cold", 4, LARGE, False, "8000", "truth"),  # two write at once
    ("live", 4, LARGE, True, "8000", "one"),
]


@pytest.mark.parametrize(("mode", "tasks", "size", "indexes", "wcu", "tells"), MATRIX if TORTURE else IN_SHORT)
def test_the_budget_is_kept_and_used(
    endpoint: CountingEndpoint,
    warehouse: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    mode: str,
    tasks: int,
    size: int,
    indexes: bool,
    wcu: str,
    tells: str,
) -> None:
    migration = prepared(endpoint, warehouse, indexes=indexes)
    account, endpoint.tells = endpoint.account, tells
    units = sum(account.units(TABLE, _stored(thing(number, size))) for number in range(4)) / 4
    count = int((12 if TORTURE else 7) * int(wcu) / units)
    keep(migration, [thing(number, size) for number in range(count)])
    written(migration, mode, tasks, wcu, indexes, monkeypatch)
    assert len(account.entries) == count
    most, used = assert_kept(account, int(wcu)), account.used(TABLE, int(wcu))
    record_property("of_five_seconds", most / int(wcu) / 5)
    record_property("used", used)
    assert used >= 0.9


@pytest.mark.parametrize("mode", ["cold", "live"])
def test_what_is_sent_again_is_charged_again(
    endpoint: CountingEndpoint, plain: Migration, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """More than half as much again is consumed as what is kept in the end."""
    keep(plain, [thing(number, SMALL) for number in range(2_000)])
    with FaultProxy(endpoint.url, seeded(7, 0.4, (Fault.ERROR_500_AFTER, Fault.TRUNCATED))).serving() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        written(plain, mode, 1, "500", False, monkeypatch)
    assert len(endpoint.account.entries) > 2_700
    assert_kept(endpoint.account, 500)


def test_each_table_has_a_budget_and_they_end_together(
    endpoint: CountingEndpoint, plain: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is more of sets the pace of both."""
    keep(plain, [*(thing(n, SMALL) for n in range(1_600)), *(other(n, 3 * SMALL) for n in range(400))])
    written(plain, "cold", 1, "400", False, monkeypatch)
    assert_kept(endpoint.account, 400)
    assert_kept(endpoint.account, 400, "other")
    names = [entry.table for entry in endpoint.account.entries]
    halfway = names[: len(names) // 2]
    assert 170 <= halfway.count("other") <= 230
    assert 770 <= halfway.count(TABLE) <= 830


def test_a_share_is_of_what_each_table_has(endpoint: CountingEndpoint, warehouse: Path) -> None:
    migration = prepared(endpoint, warehouse, indexes=True, billing="{read: 5, write: 1000}")
    client = dynamodb_client()
    client.update_table(TableName="other", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 80})
    capacity = Capacity.to_write(Units.parse("50%", Kind.WRITE), migration.mapping, client)
    assert capacity.units_per_second == {TABLE: 500, "other": 40}


def test_a_share_of_a_table_on_demand_is_refused_before_a_run_is_begun(plain: Migration) -> None:
    keep(plain, [thing(1, SMALL)])
    with pytest.raises(TargetError, match=r"^--wcu 50%: table shop is on demand and has no capacity .*--wcu 500$"):
        run_backfill(plain, in_process, wcu="50%")
    assert not (plain.folder.root / "backfills").exists()


def test_without_a_budget_no_answer_is_asked_for_what_it_consumed(
    endpoint: CountingEndpoint, plain: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(plain, [thing(number, SMALL) for number in range(30)])
    run_backfill(plain, in_process)
    assert endpoint.asked == 0
    nothing_to_judge(monkeypatch)
    run_backfill(plain, in_process, mode="live", wcu=10_000)
    assert endpoint.asked > 0


def test_neighbours_in_a_file_are_not_neighbours_on_their_way(endpoint: CountingEndpoint, plain: Migration) -> None:
    """Fifty items share a partition key; in files they follow each other."""
    keep(plain, [thing(number, SMALL) for number in range(4_000)])
    run_backfill(plain, in_process)
    keys = [str(entry.partition) for entry in endpoint.account.entries]
    hundreds = [keys[start : start + 100] for start in range(0, len(keys), 100)]
    assert max(Counter(hundred).most_common(1)[0][1] for hundred in hundreds) <= 12


@pytest.mark.parametrize("wcu", ["0", "-5", "12.5", "many", "0%", "101%", "", "1%%"])
def test_a_budget_that_is_none_is_refused(plain: Migration, wcu: str) -> None:
    with pytest.raises(UsageError, match=r"^--wcu .*: give write capacity units a second, 500, or .* 50%$"):
        run_backfill(plain, in_process, wcu=wcu)


def test_a_dry_run_says_how_much_it_costs_and_how_long_it_takes(
    warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(MAPPING.replace("INDEXES", INDEXES).replace("BILLING", "{read: 5, write: 100}"))
    monkeypatch.setenv("CROSSOVER_WAREHOUSE", str(warehouse))
    keep(opened(warehouse, indexes=True, billing="{read: 5, write: 100}"), [thing(n, SMALL) for n in range(1_000)])

    def said(*options: str) -> dict[str, Any]:
        assert cli.run(["backfill", str(file), "--dry-run", "--json", *options]) == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    by_mapping = said()
    assert (by_mapping["records"], by_mapping["write_units"], by_mapping["seconds"]) == (1_000, 3_000, 30)
    assert (by_mapping["usd"], by_mapping["usd_per_million_units"]) == (0.0019, 0.625)
    assert said("--wcu", "50%")["seconds"] == 60
    assert said("--wcu", "1000", "--price", "1000")["usd"] == 3
    assert cli.run(["backfill", str(file), "--price", "1"]) == 2
    assert "--price: only with --dry-run" in capsys.readouterr().err
    file.write_text(file.read_text().replace("{read: 5, write: 100}", "on_demand"))
    keep(opened(warehouse, indexes=True), [thing(n, SMALL) for n in range(1_000)])
    assert said()["seconds"] is None
    assert said("--wcu", "10")["seconds"] == 300


def _stored(one: dict[str, Any]) -> Any:
    return json.loads(one["item"]) | {"_v": {"N": "0"}}
