"""`--rcu` over HTTP, under throttling and a kill; what it is of each table, and what is refused.

That it is kept for items of all sizes is tests/unit/target/test_page_pace.py's to show.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.dump import dump_tables
from pipelines.dump.plan import described, segments_of
from pipelines.dump.segment import SEGMENTS
from pipelines.errors import TargetError, UsageError
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.target.capacity import READ_TASK_UNITS, Capacity, Kind, Units
from pipelines.target.client import dynamodb_client
from pipelines.warehouse.local_place import LocalPlace
from tests.capacity_account import CapacityAccount
from tests.finished_stages import finish_snapshot, open_migration
from tests.integration.test_dump import MAPPING, OURS, TABLES, Killed, create, records_of
from tests.scanned_table import ScannedTable, ScanningEndpoint

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.integration

STOCK = "stock"
ITEMS = [{"product_id": {"N": str(number)}, "body": {"S": "x" * 2_000}, **OURS} for number in range(2_600)]


@pytest.fixture
def client(dynamodb_environment: str) -> Iterator[DynamoDBClient]:
    with closing(dynamodb_client()) as client:
        create(client, "shop", pk="S", sk="S")
        create(client, STOCK, product_id="N")
        yield client


@pytest.fixture
def endpoint(
    client: DynamoDBClient, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ScanningEndpoint]:
    table = ScannedTable(STOCK, ITEMS, CapacityAccount({STOCK: ()}))
    with ScanningEndpoint(dynamodb_environment, table).serving() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint.url)
        yield endpoint


@pytest.fixture
def migration(tmp_path: Path, warehouse: Path) -> Migration:
    migration = open_migration(MAPPING, tmp_path, warehouse)
    finish_snapshot(migration, "s1", *TABLES)
    return migration


def test_a_killed_dump_goes_on_within_its_budget(
    endpoint: ScanningEndpoint, migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,300 units at 200 a second, and what the killed segment is read again."""
    account = endpoint.table.account
    endpoint.throttled = 3
    write = LocalPlace.write_atomically

    def die(place: LocalPlace, content: str) -> None:
        if place.parent.name == SEGMENTS and place.name == "2-stock.json":
            raise Killed
        write(place, content)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(LocalPlace, "write_atomically", die)
        dump_tables(migration, in_process, rcu=200, dump_id="d1", buckets=4)
    again = len(endpoint.table.requests)
    manifest = dump_tables(migration, in_process, rcu=200, buckets=4)
    assert (manifest.id, manifest.items) == ("d1", len(ITEMS))
    assert len(records_of(migration, "d1")) == len(ITEMS)
    assert {request["Segment"] for request in endpoint.table.requests[again:]} == {2, 3}
    assert all("ReturnConsumedCapacity" in request for request in endpoint.table.requests)
    assert account.most_in_a_window(STOCK) <= 5 * 200 * 1.1
    assert account.used(STOCK, 200) >= 0.7  # throttled three times


def test_without_a_budget_pages_are_whole(endpoint: ScanningEndpoint, migration: Migration) -> None:
    assert dump_tables(migration, in_process, segments=1, buckets=4).items == len(ITEMS)
    assert len(endpoint.table.requests) == 5
    assert not any({"Limit", "ReturnConsumedCapacity"} & set(request) for request in endpoint.table.requests)


def test_a_share_is_of_what_each_table_may_read(client: DynamoDBClient, migration: Migration) -> None:
    for table, units in (("shop", 300), (STOCK, 40)):
        client.update_table(
            TableName=table,
            BillingMode="PROVISIONED",
            ProvisionedThroughput={"ReadCapacityUnits": units, "WriteCapacityUnits": 5},
        )
    tables = described(migration.mapping, client)
    capacity = Capacity.to_read(Units.parse("50%", Kind.READ), tables)
    assert capacity.units_per_second == {"shop": 150, STOCK: 20}


def test_a_share_of_a_table_on_demand_is_refused_before_a_dump_is_begun(
    client: DynamoDBClient, migration: Migration
) -> None:
    with pytest.raises(TargetError, match=r"^--rcu 50%: table shop is on demand and has no capacity .*--rcu 500$"):
        dump_tables(migration, in_process, rcu="50%")
    assert not (migration.folder.root / "dumps").exists()


@pytest.mark.parametrize("rcu", ["0", "12.5", "101%", ""])
def test_a_budget_that_is_none_is_refused(migration: Migration, rcu: str) -> None:
    with pytest.raises(UsageError, match=r"^--rcu .*: give read capacity units a second, 500, or .* 50%$"):
        dump_tables(migration, in_process, rcu=rcu)


def test_segments_of_a_budget_take_a_minute_at_most() -> None:
    tables: Any = {"shop": {"TableSizeBytes": 10 << 30}}
    assert segments_of(tables, None, {}) == {"shop": 40}
    assert segments_of(tables, None, {"shop": 500}) == {"shop": 88}  # 120 MB each, 30,000 units
    assert segments_of(tables, None, {"shop": 5}) == {"shop": 512}
    assert segments_of(tables, 3, {"shop": 5}) == {"shop": 3}


def test_tasks_are_as_many_as_the_budget_keeps_busy() -> None:
    capacity = Capacity({"shop": 3 * READ_TASK_UNITS}, task_units=READ_TASK_UNITS)
    assert capacity.tasks(60, 8) == 3
    assert capacity.allowance("run", 3).units_per_second == {"shop": READ_TASK_UNITS}
