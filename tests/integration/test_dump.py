"""The dump against a DynamoDB endpoint over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from pipelines.dump import dump_tables
from pipelines.dump.segment import SEGMENTS
from pipelines.errors import StageError, TargetError
from pipelines.fanout import in_process
from pipelines.items.bucket import bucket_of
from pipelines.items.canonical import canonical_item, digest
from pipelines.items.size import item_size
from pipelines.items.source_type import Kind
from pipelines.migration import Migration
from pipelines.target.client import dynamodb_client
from pipelines.target.wire import Wire
from pipelines.warehouse.layout import MANIFEST
from pipelines.warehouse.local_place import LocalPlace
from tests.finished_stages import finish_records, finish_snapshot, open_migration, table
from tests.on_disk import on_disk

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.integration

MAPPING = """
migration: shop
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
    stock:
      partition_key: {name: product_id, type: N}
items:
  customer:
    table: shop
    from: customers
    key: {pk: "CUSTOMER#{customer_id}", sk: "PROFILE"}
  order:
    table: shop
    from: orders
    key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{order_id:010}"}
  stock:
    table: stock
    from: products
    exclude: [product_id]
    key: {product_id: "{product_id}"}
"""

TABLES = (
    table("customers", "customer_id"),
    table("orders", "order_id", customer_id=Kind.INTEGER),
    table("products", "product_id"),
)

EVERY_TYPE: dict[str, Any] = {
    "s": {"S": "Ünï 'x' \"y\" \u0001\n😀"},
    "empty": {"S": ""},
    "n": {"N": "1.5"},
    "b": {"B": b"\x00\xff"},
    "bool": {"BOOL": True},
    "null": {"NULL": True},
    "ss": {"SS": ["b", "a"]},
    "ns": {"NS": ["10", "9"]},
    "bs": {"BS": [b"b", b"a"]},
    "l": {"L": [{"M": {"deep": {"L": []}}}, {"NULL": True}]},
    "m": {"M": {"a.b": {"N": "-7"}}},
}
OURS = {"_v": {"N": "0"}}


@pytest.fixture
def client(dynamodb_environment: str) -> Iterator[DynamoDBClient]:
    with closing(dynamodb_client()) as client:
        create(client, "shop", pk="S", sk="S")
        create(client, "stock", product_id="N")
        yield client


@pytest.fixture
def migration(tmp_path: Path, warehouse: Path) -> Migration:
    migration = open_migration(MAPPING, tmp_path, warehouse)
    finish_snapshot(migration, "s1", *TABLES)
    return migration


def create(client: DynamoDBClient, table: str, **keys: Any) -> None:
    client.create_table(
        TableName=table,
        KeySchema=[
            {"AttributeName": name, "KeyType": "HASH" if position == 0 else "RANGE"}
            for position, name in enumerate(keys)
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in keys.items()],
        BillingMode="PAY_PER_REQUEST",
    )


def stored_key(customer: int, order: int | None = None) -> dict[str, Any]:
    return {
        "pk": {"S": f"CUSTOMER#{customer}"},
        "sk": {"S": "PROFILE" if order is None else f"ORDER#{order:010}"},
    }


def records_of(migration: Migration, dump_id: str) -> list[dict[str, Any]]:
    rows = []
    for file in sorted((on_disk(migration.folder.dump(dump_id)) / "records").glob("bucket=*/*.parquet")):
        bucket = int(file.parent.name.removeprefix("bucket="))
        rows += [{**row, "bucket": bucket} for row in pq.ParquetFile(file).read().to_pylist()]
    return sorted(rows, key=lambda row: (row["table"], row["key"]))


def test_every_item_becomes_its_record(client: DynamoDBClient, migration: Migration) -> None:
    stored = {
        "customer": ("shop", {**stored_key(1), **EVERY_TYPE}),
        "order": ("shop", {**stored_key(1, 6), "total": {"N": "12.5"}}),
        "stock": ("stock", {"product_id": {"N": "7"}, "count": {"N": "3"}}),
    }
    for name, item in stored.values():
        client.put_item(TableName=name, Item={**item, **OURS})
    manifest = dump_tables(migration, in_process)
    assert (manifest.items, manifest.unmapped, manifest.tombstones) == (3, 0, 0)
    assert manifest.tables == {"shop": 2, "stock": 1}
    records = records_of(migration, manifest.id)
    assert len(records) == 3
    for record in records:
        name, item = stored[record["item_type"]]
        names = ("pk", "sk") if name == "shop" else ("product_id",)
        text = canonical_item(item)
        key = canonical_item({part: item[part] for part in names})
        assert record == {
            "item_type": record["item_type"],
            "table": name,
            "key": key,
            "source_key": None,
            "bucket": bucket_of(key, 64),
            "item": text,
            "version": 0,
            "digest": digest(text),
            "size": item_size(item),
        }


def test_unmapped_foreign_and_tombstones(client: DynamoDBClient, migration: Migration) -> None:
    client.put_item(TableName="shop", Item={**stored_key(1)})
    client.put_item(TableName="shop", Item={**stored_key(2), "_v": {"S": "odd"}})
    client.put_item(TableName="shop", Item={**stored_key(3), "_v": {"N": "4"}})
    client.put_item(TableName="shop", Item={**stored_key(4), "_v": {"N": "4"}, "_deleted": {"BOOL": True}})
    client.put_item(TableName="shop", Item={"pk": {"S": "CUSTOMER#5"}, "sk": {"S": "ORDER#6"}, **OURS})
    manifest = dump_tables(migration, in_process)
    assert (manifest.items, manifest.unmapped, manifest.tombstones) == (4, 1, 1)
    found = [(row["item_type"], row["version"], json.loads(row["item"])) for row in records_of(migration, manifest.id)]
    assert found == [
        ("customer", None, stored_key(1)),
        ("customer", None, stored_key(2)),
        ("customer", 4, stored_key(3)),
        (None, 0, {"pk": {"S": "CUSTOMER#5"}, "sk": {"S": "ORDER#6"}}),
    ]


def test_numbers_that_dynamodb_would_refuse_do_not_end_the_dump(client: DynamoDBClient, migration: Migration) -> None:
    digits = "1" * 39
    client.put_item(TableName="shop", Item={**stored_key(1), **OURS, "n": {"N": digits}, "m": {"N": "1.500"}})
    records = records_of(migration, dump_tables(migration, in_process).id)
    item = json.loads(records[0]["item"])
    assert Decimal(item["n"]["N"]) == Decimal(digits)
    assert item["m"] == {"N": "1.5"}


@pytest.mark.parametrize("segments", [1, 3, 8])
def test_any_number_of_segments_gives_the_same_items(
    client: DynamoDBClient, migration: Migration, segments: int
) -> None:
    fill(client, 40)
    manifest = dump_tables(migration, in_process, segments=segments)
    assert manifest.segments == 2 * segments
    assert [row["key"] for row in records_of(migration, manifest.id)] == sorted(
        canonical_item(stored_key(number)) for number in range(40)
    )


def test_pages_of_a_megabyte(client: DynamoDBClient, migration: Migration) -> None:
    for number in range(12):
        client.put_item(TableName="shop", Item={**stored_key(number), **OURS, "fat": {"S": "x" * 300_000}})
    assert dump_tables(migration, in_process, segments=1).items == 12


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


def test_a_killed_dump_goes_on_where_it_was(
    client: DynamoDBClient, migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(client, 60)
    whole = dump_tables(migration, in_process, segments=3)
    write = LocalPlace.write_atomically
    marked: list[str] = []

    def die_at_the_second(place: LocalPlace, content: str) -> None:
        if len(marked) == 1 and place.parent.name == SEGMENTS:
            raise Killed  # the segment's files are in place, its counts are not
        marked.extend([place.name] if place.parent.name == SEGMENTS else [])
        write(place, content)

    monkeypatch.setattr(LocalPlace, "write_atomically", die_at_the_second)
    with pytest.raises(Killed):
        dump_tables(migration, in_process, segments=3, dump_id="d1")
    assert not (migration.folder.dump("d1") / MANIFEST).exists()
    monkeypatch.setattr(LocalPlace, "write_atomically", write)
    scanned: list[int] = []
    call = Wire.call

    def counting(self: Wire, action: str, body: bytes) -> Any:
        scanned.append(json.loads(body)["Segment"])
        return call(self, action, body)

    monkeypatch.setattr(Wire, "call", counting)
    resumed = dump_tables(migration, in_process, segments=3)
    assert resumed.id == "d1"
    assert len(scanned) == 5  # of six segments, the one that was whole is not read again
    assert resumed.tables == whole.tables
    assert records_of(migration, "d1") == records_of(migration, whole.id)
    assert dump_tables(migration, in_process, segments=3, dump_id="d1") == resumed


def test_files_of_a_killed_attempt_do_not_stay(
    client: DynamoDBClient, migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(client, 20)

    write = LocalPlace.write_atomically

    def die(place: LocalPlace, content: str) -> None:
        if place.parent.name == SEGMENTS:
            raise Killed
        write(place, content)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(LocalPlace, "write_atomically", die)
        dump_tables(migration, in_process, segments=1, dump_id="d1")
    for number in range(1, 20):  # gone meanwhile, and with them most buckets of the segment
        client.delete_item(TableName="shop", Key=stored_key(number))
    manifest = dump_tables(migration, in_process, segments=1)
    assert (manifest.id, manifest.items) == ("d1", 1)
    assert len(records_of(migration, "d1")) == 1


def test_an_unfinished_dump_older_than_a_backfill_is_left_alone(client: DynamoDBClient, migration: Migration) -> None:
    abandon(migration, "d1")
    (on_disk(migration.folder.root) / "backfills" / "b1").mkdir(parents=True)
    assert dump_tables(migration, in_process).id != "d1"


def test_an_unfinished_dump_of_a_table_that_is_gone_is_left_alone(client: DynamoDBClient, migration: Migration) -> None:
    abandon(migration, "d1")
    client.delete_table(TableName="stock")
    create(client, "stock", product_id="N")
    assert dump_tables(migration, in_process).id != "d1"


@pytest.mark.parametrize("name", ["_stock", ".stock", "s" * 255, "s-1.json"])
def test_a_table_may_have_any_name(client: DynamoDBClient, tmp_path: Path, warehouse: Path, name: str) -> None:
    text = MAPPING.replace("migration: shop", "migration: odd").replace("    stock:\n", f"    {name}:\n")
    migration = open_migration(text.replace("table: stock", f"table: {name}"), tmp_path, warehouse)
    finish_snapshot(migration, "s1", *TABLES)
    create(client, name, product_id="N")
    for number in range(5):
        client.put_item(TableName=name, Item={"product_id": {"N": str(number)}, **OURS})
    manifest = dump_tables(migration, in_process, segments=2)
    assert manifest.tables == {"shop": 0, name: 5}
    assert len(records_of(migration, manifest.id)) == 5
    assert manifest.unmapped == 0


def test_an_unfinished_dump_is_not_gone_on_with_when_told_so(client: DynamoDBClient, migration: Migration) -> None:
    abandon(migration, "d1")
    assert dump_tables(migration, in_process, resume=False).id != "d1"
    assert dump_tables(migration, in_process).id == "d1"


def test_a_finished_dump_is_not_made_again(client: DynamoDBClient, migration: Migration) -> None:
    dump_tables(migration, in_process, dump_id="d1")
    with pytest.raises(StageError, match="d1: is finished"):
        dump_tables(migration, in_process, dump_id="d1", resume=False)


def test_a_dump_id_of_another_plan_is_refused(client: DynamoDBClient, migration: Migration) -> None:
    dump_tables(migration, in_process, dump_id="d1", segments=2)
    with pytest.raises(StageError, match="d1: was begun with another"):
        dump_tables(migration, in_process, dump_id="d1", segments=3)


def test_buckets_are_those_of_the_records(client: DynamoDBClient, migration: Migration) -> None:
    finish_records(migration, "s1", [], buckets=5)
    assert dump_tables(migration, in_process).buckets == 5


def test_without_a_snapshot_it_says_what_to_do(dynamodb_environment: str, tmp_path: Path, warehouse: Path) -> None:
    with pytest.raises(StageError, match="crossover snapshot"):
        dump_tables(open_migration(MAPPING, tmp_path, warehouse), in_process)


def test_a_missing_table_is_told_before_anything_is_read(client: DynamoDBClient, migration: Migration) -> None:
    client.delete_table(TableName="stock")
    with pytest.raises(TargetError, match="table stock"):
        dump_tables(migration, in_process)


def test_a_table_with_another_key_is_refused(client: DynamoDBClient, migration: Migration) -> None:
    client.delete_table(TableName="stock")
    create(client, "stock", id="N")
    with pytest.raises(TargetError, match=r"its key is \(id\), the mapping says \(product_id\)"):
        dump_tables(migration, in_process)


def fill(client: DynamoDBClient, customers: int) -> None:
    for number in range(customers):
        client.put_item(TableName="shop", Item={**stored_key(number), **OURS})


def abandon(migration: Migration, dump_id: str) -> None:
    """A dump that died before its first segment was whole."""

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    with pytest.raises(Killed):
        dump_tables(migration, die, dump_id=dump_id)
