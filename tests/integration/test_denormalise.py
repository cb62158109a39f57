"""Records of a snapshot made by hand: every embed shape, template and reject, against the online form."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines import denormalise
from pipelines.denormalise import make_records
from pipelines.errors import AccountsError, StageError, WarehouseError
from pipelines.items.bucket import bucket_of
from pipelines.items.record import RECORD_SCHEMA
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.outcome import Assembled, Rejected
from pipelines.migration import Migration
from pipelines.warehouse.dataset import count_rows, read_bucket
from pipelines.warehouse.layout import MANIFEST
from pipelines.warehouse.manifest import EmbedCounts, RecordsManifest
from pipelines.warehouse.record_sink import Written, write_rows
from tests.bulk_snapshot import HandMade, Row, plain, source_table
from tests.on_disk import on_disk
from tests.rejects import read_rejects
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

TEXT_ARRAY = SourceType(name="text[]", kind=Kind.ARRAY, element=plain(Kind.TEXT))
NUMERIC = SourceType(name="numeric(12,2)", kind=Kind.NUMERIC, precision=12, scale=2)

CUSTOMERS = source_table(
    "customers",
    {
        "customer_id": plain(Kind.INTEGER),
        "name": plain(Kind.TEXT),
        "e.mail `x`": plain(Kind.TEXT),
        "code": plain(Kind.CHAR),
        "born": plain(Kind.DATE),
        "joined": plain(Kind.TIMESTAMPTZ),
        "active": plain(Kind.BOOLEAN),
        "photo": plain(Kind.BYTES),
    },
    ["customer_id"],
)
ORDERS = source_table(
    "orders",
    {
        "order_id": plain(Kind.INTEGER),
        "customer_id": plain(Kind.INTEGER),
        "state": plain(Kind.ENUM),
        "State": plain(Kind.TEXT),
        "placed": plain(Kind.TIMESTAMPTZ),
        "total": NUMERIC,
        "score": plain(Kind.FLOAT8),
        "tags": TEXT_ARRAY,
        "payload": plain(Kind.JSON),
        "note": plain(Kind.TEXT),
        "code": plain(Kind.CHAR),
    },
    ["order_id"],
)
LINES = source_table(
    "lines",
    {
        "order_id": plain(Kind.INTEGER),
        "line_no": plain(Kind.INTEGER),
        "sku": plain(Kind.TEXT),
        "price": NUMERIC,
        "weight": plain(Kind.NUMERIC),
        "shipped": plain(Kind.DATE),
    },
    ["order_id", "line_no"],
)
PRODUCTS = source_table(
    "products", {"product_id": plain(Kind.INTEGER), "sku": plain(Kind.TEXT), "label": plain(Kind.TEXT)}, ["product_id"]
)

MAPPING = """
migration: shop
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      billing: on_demand
      indexes:
        gsi1: {partition_key: {name: gsi1pk, type: S}, sort_key: {name: note, type: S}, projection: all}
    numbers:
      partition_key: {name: order_id, type: N}
      billing: on_demand
items:
  customer:
    table: shop
    from: customers
    key: {pk: "CUSTOMER#{customer_id}", sk: "PROFILE"}
    nulls: null
    rename: {code: short code}
    set: {upper: "{name:upper}", year: "{joined:%Y-%m-%dT%H}", shard: "{customer_id:mod4}"}
    embed:
      orders:
        from: orders
        on: {customer_id: customer_id}
        as: list
        order_by: [-note, -placed]
        limit: 3
        include: [order_id, total, placed]
        nulls: absent
        embed:
          skus: {from: lines, on: {order_id: order_id}, as: set, value: "{sku}"}
  order:
    table: shop
    from: orders
    where: "state <> 'draft'"
    key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{order_id:03}"}
    set: {gsi1pk: "{customer.name:esc}#{customer.code}", entity: order, version: 2, who: "{customer.born}"}
    exclude: [customer_id]
    types: {tags: SS, placed: epoch_millis, score: S}
    embed:
      lines:
        from: lines
        on: {order_id: order_id}
        as: list
        order_by: [-price, shipped]
        where: "sku <> 'hidden'"
        embed:
          product: {from: products, on: {sku: sku}, as: map, include: [label]}
      customer: {from: customers, on: {customer_id: customer_id}, as: map, hidden: true}
      buyer: {from: customers, on: {customer_id: customer_id}, as: map, include: [name, photo]}
      namesakes: {from: customers, on: {code: code}, as: list, value: "{joined}", order_by: [born, -name]}
  shipment:
    table: numbers
    from: orders
    where: "state = 'paid'"
    key: {order_id: "{order_id}"}
    include: [note]
    embed:
      weights: {from: lines, on: {order_id: order_id}, as: list, value: "{weight}", order_by: [-weight], limit: 4}
      labels:
        from: lines
        on: {order_id: order_id}
        as: list
        value: "{product.label}"
        embed: {product: {from: products, on: {sku: sku}, as: map, hidden: true}}
"""

NAMES = ["Ann", "", 'O"Brien', "Zoë 漢😀", "tab\tand\x01\x1f\x7f\u2028", "back\\slash", "a#b%", "ß İ ς", None]
SKUS = ["S-1", "s-1", 'q"', "twice", "hidden", "", None]
WEIGHTS = ["1", "-0.5", "1" + "0" * 40, "12.5", "1" * 39, "NaN", "0", "-300", None]
RAWS = ["infinity", "-infinity", "0044-03-15 BC", "20000-01-01"]


def random_rows(seed: int, orders: int = 60) -> HandMade:
    """`rare` values are few, so that most rows become items."""
    choose = random.Random(seed)

    def rare(common: list[Any], odd: list[Any]) -> Any:
        return choose.choice(odd) if choose.random() < 0.04 else choose.choice(common)

    def day(column: str) -> Row:
        if choose.random() < 0.1:
            return {column + "::raw": choose.choice(RAWS)}
        return {column: choose.choice([None, date(1, 1, 1), date(2001, 12, 31), date(9999, 12, 31)])}

    customers = [
        {
            "customer_id": n,
            "name": choose.choice(NAMES),
            "e.mail `x`": choose.choice(NAMES),
            "code": choose.choice(["ab  ", "cd  ", None]),
            "joined": rare(
                [datetime(2026, 11, 24, 8, 55, 13, 123456, UTC), datetime(1969, 12, 31, tzinfo=UTC)], [None]
            ),
            "active": choose.choice([True, False, None]),
            "photo": choose.choice([b"", b"\x00\xff" * 50, None]),
        }
        | (day("born") if choose.random() < 0.2 else {"born": date(1970, 1, 1)})
        for n in range(-2, 12)
    ]
    order_rows = [
        {
            "order_id": n if choose.random() < 0.95 else n + 2000,
            "customer_id": rare(list(range(-2, 12)), [None, 99]),
            "state": choose.choice(["paid", "draft", "sent", None]),
            "State": choose.choice(NAMES),
            "placed": datetime(2026, 11, 24, 8, 55, n % 60, choose.choice([0, 1, 999999]), UTC),
            "total": rare(["10.50", "0.00", "-3.10", None], ["NaN"]),
            "score": choose.choice(["1e+20", "1.5e-07", "0.1", "-0", "NaN", None]),
            "tags": rare(["{}", "{a,b}", '{"x y","é"}', None], ["{a,a}", "{NULL}"]),
            "payload": rare(['{"b": [1.50, null], "a": {"c": "é"}}', "[]", "null", None], ['{"": 1}', "[1e400]"]),
            "note": rare(["n1", "n2", "ñ", "", None], ["x" * 1025]),
            "code": choose.choice(["ab", "cd    ", "zz", None]),
        }
        for n in range(orders)
    ]
    lines = [
        {
            "order_id": order["order_id"] if choose.random() < 0.95 else -7,
            "line_no": line_no,
            "sku": rare(["S-1", "s-1", 'q"', "hidden"], SKUS),
            "price": rare(["9.90", "10.00", "-1.25", "0.00", None], ["NaN"]),
            "weight": rare(["1", "-0.5", "12.5", "0", "-300", "1" + "0" * 37, None], WEIGHTS),
        }
        | (day("shipped") if choose.random() < 0.05 else {"shipped": date(2020, 1, 1 + line_no)})
        for order in order_rows
        for line_no in choose.sample(range(9), choose.randint(0, 6))
    ]
    unique = {(line["order_id"], line["line_no"]): line for line in lines}
    products = [
        {"product_id": n, "sku": sku, "label": choose.choice(NAMES)}
        for n, sku in enumerate(["S-1", "s-1", 'q"', "twice", "twice", None])
    ]
    return HandMade({CUSTOMERS: customers, ORDERS: order_rows, LINES: list(unique.values()), PRODUCTS: products})


def open_migration(folder: Path, mapping: str = MAPPING) -> Migration:
    file = folder / "shop.yaml"
    file.write_text(mapping, encoding="utf-8")
    return Migration.open(file, folder / "warehouse")


def records_of(migration: Migration, manifest: RecordsManifest) -> list[Row]:
    folder = migration.folder.records(manifest.snapshot_id)
    return [
        row
        for bucket in range(manifest.buckets)
        for row in read_bucket(folder / "records", bucket, RECORD_SCHEMA.names).to_pylist()
    ]


def rejects_of(migration: Migration, manifest: RecordsManifest) -> list[Row]:
    return list(read_rejects(migration.folder.records(manifest.snapshot_id)).to_pylist())


def choose_layout(monkeypatch: pytest.MonkeyPatch, own_files: bool) -> None:
    """Whether each task writes files of its own, or buckets are brought together first."""
    monkeypatch.setattr(denormalise, "SMALL_SNAPSHOT_BYTES", 0 if own_files else 1 << 60)


@pytest.mark.parametrize(
    ("seed", "own_files"), [(0, False), (1, True), (2, False), (3, True)][: None if TORTURE else 2]
)
def test_bulk_gives_what_online_gives(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, own_files: bool
) -> None:
    choose_layout(monkeypatch, own_files)
    migration = open_migration(tmp_path)
    hand_made = random_rows(seed)
    hand_made.write(migration, "s1")
    manifest = make_records(migration, spark, "s1", buckets=8)

    expected_records, expected_rejects = {}, []
    for item_type, source_key, outcome in hand_made.online(migration):
        if isinstance(outcome, Assembled):
            expected_records[item_type, source_key] = (outcome.table, outcome.key, outcome.item, outcome.size)
        elif isinstance(outcome, Rejected):
            problem = (outcome.reason, outcome.attribute, outcome.size, outcome.detail)
            expected_rejects.append((item_type, source_key, outcome.table, outcome.key, *problem))
    records = records_of(migration, manifest)
    found = {(r["item_type"], r["source_key"]): (r["table"], r["key"], r["item"], r["size"]) for r in records}
    assert found == expected_records
    assert len(records) == len(found) == manifest.records
    columns = ("item_type", "source_key", "table", "key", "reason", "attribute", "size", "detail")
    rejects = [tuple(row[name] for name in columns) for row in rejects_of(migration, manifest)]
    assert sorted(rejects, key=str) == sorted(expected_rejects, key=str)
    assert manifest.reject_reasons == dict(Counter(str(reject[4]) for reject in expected_rejects))
    assert len({reject[4] for reject in expected_rejects}) >= 3


def test_every_record_carries_its_digest_bucket_and_version(spark: SparkSession, tmp_path: Path) -> None:
    migration = open_migration(tmp_path)
    random_rows(1).write(migration, "s1")
    manifest = make_records(migration, spark, "s1", buckets=8)
    for record in records_of(migration, manifest):
        assert record["digest"] == hashlib.sha256(record["item"].encode()).digest()
        assert record["bucket"] == bucket_of(record["key"], 8)
        assert record["version"] == 0
        key = json.loads(record["key"])
        assert {name: json.loads(record["item"])[name] for name in key} == key


def customers_only(*rows: Row) -> HandMade:
    return HandMade({CUSTOMERS: list(rows)})


ONE_TYPE = """
migration: shop
target: {{tables: {{shop: {{partition_key: {{name: pk, type: S}}, billing: on_demand}}}}}}
items:
  customer:
    table: shop
    from: customers
    key: {{pk: "{pk}"}}
    include: [name]
"""


@pytest.mark.parametrize("own_files", [False, True])
def test_all_rows_that_claim_one_key_are_rejected(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_files: bool
) -> None:
    choose_layout(monkeypatch, own_files)
    migration = open_migration(tmp_path, ONE_TYPE.format(pk="C#{customer_id:mod4}"))
    customers_only(*({"customer_id": n, "name": "n"} for n in (0, 4, 8, 1, 2))).write(migration, "s1")
    manifest = make_records(migration, spark, "s1")
    assert (manifest.records, manifest.reject_reasons) == (2, {RejectReason.DUPLICATE_KEY: 3})
    rejects = rejects_of(migration, manifest)
    assert {row["key"] for row in rejects} == {'{"pk":{"S":"C#0"}}'}
    assert {row["source_key"] for row in rejects} == {f'{{"customer_id":"{n}"}}' for n in (0, 4, 8)}


@pytest.mark.parametrize("bucket_tasks", [None, 2])
def test_keys_that_are_there_twice_are_counted_across_item_types(
    spark: SparkSession, tmp_path: Path, bucket_tasks: int | None
) -> None:
    columns = [(name, "string") for name in ("item_type", "table", "key", "source_key", "item")]
    columns += [("reason", "string"), ("attribute", "string"), ("detail", "string")]
    columns += [("bucket", "int"), ("version", "long"), ("size", "long"), ("key_hash", "long")]
    ddl = ", ".join(f"`{name}` {kind}" for name, kind in columns)

    def rows(item_type: str, hashes: list[int | None]) -> DataFrame:
        texts = (item_type, "shop", "k", "s", "i")
        made = [
            (*texts, "key_too_long" if h is None else None, None, None, n % 3, 0, 1, h) for n, h in enumerate(hashes)
        ]
        return spark.createDataFrame(made, ddl).selectExpr("*", "unhex(sha2(item, 256)) AS digest")

    both = rows("a", [1, 2, 2, None, None]).union(rows("b", [2, 3]))
    written = write_rows(both, tmp_path, bucket_tasks)
    assert written.repeated == 2
    assert set(written.parts) == {Written("a", None, 3), Written("a", "key_too_long", 2), Written("b", None, 2)}
    assert (count_rows(tmp_path / "records", range(3)), read_rejects(tmp_path).num_rows) == (5, 2)
    assert write_rows(both, tmp_path, bucket_tasks).repeated == 2
    assert count_rows(tmp_path / "records", range(3)) == 5


def test_keys_and_items_at_their_limits(spark: SparkSession, tmp_path: Path) -> None:
    migration = open_migration(tmp_path, ONE_TYPE.format(pk="{code}"))
    most = 400 * 1024 - 13
    rows: list[Row] = [
        {"customer_id": 1, "code": "x" * 2048, "name": "n"},
        {"customer_id": 2, "code": "é" * 1025, "name": "n"},
        {"customer_id": 3, "code": "c", "name": "é" * ((most - len("pkcname")) // 2)},
        {"customer_id": 4, "code": "d", "name": "x" * (most - len("pkdname") + 1)},
        {"customer_id": 5, "code": "", "name": "n"},
        {"customer_id": 6, "code": None, "name": "n"},
    ]
    customers_only(*rows).write(migration, "s1")
    manifest = make_records(migration, spark, "s1")
    assert {row["source_key"] for row in records_of(migration, manifest)} == {
        '{"customer_id":"1"}',
        '{"customer_id":"3"}',
    }
    assert manifest.reject_reasons == {"item_too_large": 1, "key_null_or_empty": 2, "key_too_long": 1}


def test_embed_accounts_say_what_became_of_every_child_row(spark: SparkSession, tmp_path: Path) -> None:
    migration = open_migration(
        tmp_path,
        ONE_TYPE.format(pk="{customer_id}")
        + """
    embed:
      orders:
        {from: orders, on: {customer_id: customer_id}, as: list, limit: 2, where: "state <> 'draft'",
         include: [order_id], embed: {lines: {from: lines, on: {order_id: order_id}, as: list}}}
""",
    )
    placed = datetime(2026, 1, 1, tzinfo=UTC)
    owners = [(1, 1, "paid"), (2, 1, "paid"), (3, 1, "paid"), (4, 1, "draft"), (5, 9, "paid"), (6, None, "paid")]
    orders = [{"order_id": o, "customer_id": c, "state": s, "placed": placed} for o, c, s in owners]
    lines = [{"order_id": o, "line_no": 1} for o in (1, 2, 3, 5)]
    hand_made = HandMade({CUSTOMERS: [{"customer_id": 1}, {"customer_id": 2}], ORDERS: orders, LINES: lines})
    hand_made.write(migration, "s1")
    counts = make_records(migration, spark, "s1").item_types["customer"]
    assert (counts.rows, counts.filtered, counts.records, counts.rejects) == (2, 0, 2, 0)
    assert counts.embeds == {
        "orders": EmbedCounts(rows=6, embedded=2, filtered=1, beyond_limit=1, orphans=2),
        "orders.lines": EmbedCounts(rows=4, embedded=2, filtered=0, beyond_limit=0, orphans=2),
    }


def test_rows_that_the_snapshot_counts_and_the_files_lack_are_noticed(spark: SparkSession, tmp_path: Path) -> None:
    migration = open_migration(tmp_path, ONE_TYPE.format(pk="{customer_id}"))
    manifest = customers_only({"customer_id": 1}, {"customer_id": 2}).write(migration, "s1")
    path = on_disk(migration.folder.snapshot("s1")) / MANIFEST
    assert manifest.tables["public.customers"].rows == 2
    path.write_text(path.read_text().replace('"rows": 2', '"rows": 3'))
    with pytest.raises(AccountsError, match="records of `customer`: 3 rows"):
        make_records(migration, spark, "s1")
    assert not migration.folder.records("s1").exists()


def test_two_runs_are_equal_and_the_second_only_reads_the_manifest(spark: SparkSession, tmp_path: Path) -> None:
    migration = open_migration(tmp_path)
    for snapshot_id in ("s1", "s2"):
        random_rows(2).write(migration, snapshot_id)
    first, second = (make_records(migration, spark, snapshot_id, buckets=4) for snapshot_id in ("s1", "s2"))
    key = lambda row: (row["item_type"], row["source_key"])  # noqa: E731
    assert sorted(records_of(migration, first), key=key) == sorted(records_of(migration, second), key=key)
    assert rejects_of(migration, first)
    assert make_records(migration, spark, "s1", buckets=4) == first
    with pytest.raises(StageError, match="made with 4 buckets, not 8"):
        make_records(migration, spark, "s1", buckets=8)


def test_what_a_killed_run_left_is_not_used(spark: SparkSession, tmp_path: Path) -> None:
    migration = open_migration(tmp_path, ONE_TYPE.format(pk="{customer_id}"))
    customers_only({"customer_id": 1}).write(migration, "s1")
    folder = on_disk(migration.folder.records("s1"))
    (folder / "records" / "bucket=3").mkdir(parents=True)
    (folder / "records" / "bucket=3" / "part-00009.parquet").write_bytes(b"half")
    manifest = make_records(migration, spark, "s1")
    assert len(records_of(migration, manifest)) == manifest.records == 1
    assert [entry.name for entry in folder.parent.iterdir()] == ["s1"]


def test_a_damaged_snapshot_is_one_clear_line(spark: SparkSession, tmp_path: Path) -> None:
    migration = open_migration(tmp_path, ONE_TYPE.format(pk="{customer_id}"))
    customers_only({"customer_id": 1}).write(migration, "s1")
    file = on_disk(migration.folder.snapshot("s1")) / "customers" / "part-1.parquet"
    file.write_bytes(b"PAR1 not really")
    with pytest.raises(StageError, match="records of snapshot s1: Spark failed") as caught:
        make_records(migration, spark, "s1")
    assert "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(WarehouseError, match="missing"):
        make_records(migration, spark, "s1")
