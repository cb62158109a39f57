"""The records of a snapshot, and dumps of a target that differs in a known number of items, made by DuckDB.

An item has 14 attributes in some 480 bytes. Of those that differ half differ in the second line's price, a quarter are
on the source's side only, and a quarter on the target's. The files are written as the stages write them: four parts a
bucket, the target's rows in another order than the source's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import gcd
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.items.bucket import DEFAULT_BUCKETS
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef
from pipelines.migration import Migration
from pipelines.warehouse.dataset import BucketWriter
from pipelines.warehouse.layout import write_manifest
from pipelines.warehouse.manifest import DumpManifest, RecordsManifest, SnapshotManifest
from tests.on_disk import on_disk

MAPPING = Path(__file__).with_name("mapping.yaml")
PARTS = 4
BATCH_ROWS = 100_000

_CATALOG = Catalog(
    server_version=180006,
    tables=(
        Table(
            ref=TableRef(schema_name="public", table="orders"),
            relation=Relation.TABLE,
            columns=(Column(name="order_id", type=SourceType(name="bigint", kind=Kind.INTEGER), nullable=False),),
            primary_key=("order_id",),
        ),
    ),
)

_RECORDS = """
SELECT 'order' AS item_type, 'orders' AS "table", key, source_key,
       (hash(key) % {buckets})::INTEGER AS bucket, item, 0::BIGINT AS version,
       unhex(sha256(item)) AS digest, length(item)::BIGINT AS size
FROM (
    SELECT '{{"pk":{{"S":"ORDER#' || id || '"}}}}' AS key, {source_key} AS source_key,
           '{{"carrier":{{"S":"post"}},"city":{{"S":"city ' || id % 977 || '"}},"currency":{{"S":"EUR"}},'
        || '"customer_id":{{"N":"' || hash(id) % 500000 || '"}},"entity":{{"S":"order"}},'
        || '"lines":{{"L":[{{"M":{{"price":{{"N":"' || id % 97 || '.5"}},"sku":{{"S":"SKU-' || id % 5003 || '"}}}}}},'
        || '{{"M":{{"price":{{"N":"' || {price} || '"}},"sku":{{"S":"SKU-' || id % 4999 || '"}}}}}}]}},'
        || '"note":{{"S":"left at the door of number ' || id % 311 || '"}},"order_id":{{"N":"' || id || '"}},'
        || '"paid":{{"BOOL":true}},"pk":{{"S":"ORDER#' || id || '"}},'
        || '"placed_at":{{"S":"2026-01-' || (10 + id % 20) || 'T08:55:13.123456Z"}},'
        || '"status":{{"S":"sent"}},"tags":{{"SS":["a","b' || id % 7 || '"]}},'
        || '"total":{{"N":"' || id % 100003 || '.25"}}}}' AS item
    FROM ({ids})
)
"""


@dataclass(frozen=True)
class Faults:
    """In a million items. What they make of `rows` items is known, whichever way they are looked for."""

    in_a_million: int

    def counts(self, rows: int) -> dict[str, int]:
        marked = rows * self.in_a_million // 1_000_000
        missing = extra = marked // 4
        differ = marked - missing - extra
        return {"match": rows - differ - missing, "differ": differ, "missing": missing, "extra": extra}


FEW, MANY = Faults(1_000), Faults(100_000)


def make(rows: int, faults: Faults) -> str:
    """Makes the records below CROSSOVER_WAREHOUSE and a dump, where they are not there yet; returns the dump's id, by
    which the snapshot is called, too."""
    migration = Migration.open(MAPPING)
    name = f"{rows}-{faults.in_a_million}"
    _make_source(migration, f"{rows}", rows)
    if not migration.folder.dump(name).exists():
        _make_target(migration, name, rows, faults)
    return name


def _make_source(migration: Migration, name: str, rows: int) -> None:
    folder = migration.folder.records(name)
    if folder.exists():
        return
    ids = f"SELECT range AS id FROM range({rows})"
    _write(on_disk(folder), _RECORDS.format(**_QUERY, ids=ids, price=_PRICE, source_key=_SOURCE_KEY))
    snapshot = SnapshotManifest(
        **_header(migration, name),
        taken="live",
        source="made for the benchmark",
        captured=False,
        catalog=_CATALOG,
        columns={},
        tables={},
    )
    write_manifest(migration.folder.snapshot(name), snapshot)
    records = RecordsManifest(
        **_header(migration, name),
        snapshot_id=name,
        buckets=DEFAULT_BUCKETS,
        records=rows,
        rejects=0,
        reject_reasons={},
        item_types={},
    )
    write_manifest(folder, records)


def _make_target(migration: Migration, name: str, rows: int, faults: Faults) -> None:
    """The marked items are the first ones of an order that nothing else follows."""
    counts = faults.counts(rows)
    step = next(step for step in range(rows * 5 // 8 | 1, rows * 2, 2) if gcd(step, rows) == 1)
    mixed = f"SELECT (range * {step}) % {rows} AS id FROM range({rows})"
    place = f"(id * {step}) % {rows}"
    ids = (
        f"SELECT id FROM ({mixed}) WHERE {place} >= {counts['missing']} "
        f"UNION ALL SELECT {rows} + range AS id FROM range({counts['extra']})"
    )
    differs = f"id < {rows} AND {place} < {counts['missing'] + counts['differ']}"
    price = f"(CASE WHEN {differs} THEN '0.01' ELSE {_PRICE} END)"
    _write(on_disk(migration.folder.dump(name)), _RECORDS.format(**_QUERY, ids=ids, price=price, source_key="NULL"))
    items = rows - counts["missing"] + counts["extra"]
    dump = DumpManifest(
        **_header(migration, name),
        taken="scan",
        snapshot_id=f"{rows}",
        segments=1,
        buckets=DEFAULT_BUCKETS,
        tables={"orders": items},
        items=items,
        tombstones=0,
        unmapped=0,
    )
    write_manifest(migration.folder.dump(name), dump)


_PRICE = "id % 89 || '.75'"
_SOURCE_KEY = """'{"order_id":"' || id || '"}'"""
_QUERY = {"buckets": DEFAULT_BUCKETS}


def _header(migration: Migration, name: str) -> dict[str, Any]:
    return {
        "migration": migration.mapping.migration,
        "mapping_hash": migration.mapping_hash,
        "id": name,
        "started_at": datetime.now(UTC),
    }


def _write(folder: Path, query: str) -> None:
    """PARTS files a bucket, each with a share of the rows as they come."""
    with duckdb.connect(config={"preserve_insertion_order": True}) as connection:
        connection.execute("SET enable_progress_bar = false")
        batches = connection.sql(query).to_arrow_reader(BATCH_ROWS)
        writers = [BucketWriter(folder / "records", f"part-{n}") for n in range(PARTS)]
        for n, batch in enumerate(batches):
            digest = batch.column("digest").cast(pa.binary(32))
            columns = [digest if name == "digest" else batch.column(name) for name in batch.schema.names]
            writers[n % PARTS].write(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))
        for writer in writers:
            writer.close()
