"""Finished stages written by hand: what the stages after them find in the warehouse."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.items.bucket import bucket_of
from pipelines.items.record import RECORD_SCHEMA, REJECT_SCHEMA
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef
from pipelines.migration import Migration
from pipelines.warehouse.layout import write_manifest
from pipelines.warehouse.manifest import DumpManifest, ItemTypeCounts, LedgerSeen, RecordsManifest, SnapshotManifest
from tests.on_disk import on_disk


@dataclass(frozen=True)
class Row:
    """One record, or with `item` None a reject. `item` and `key` are canonical texts."""

    item_type: str | None
    table: str
    key: str | None
    item: str | None
    source_key: str | None = None
    version: int | None = 0


def table(name: str, key: str, **columns: Kind) -> Table:
    """A table of the public schema; `key` is its primary key, a bigint."""
    kinds = {key: Kind.INTEGER, **columns}
    return Table(
        ref=TableRef(schema_name="public", table=name),
        relation=Relation.TABLE,
        columns=tuple(
            Column(name=column, type=SourceType(name=kind.value, kind=kind), nullable=column != key)
            for column, kind in kinds.items()
        ),
        primary_key=(key,),
    )


def open_migration(mapping: str, folder: Path, warehouse: Path) -> Migration:
    path = folder / "migration.yaml"
    path.write_text(mapping, encoding="utf-8")
    return Migration.open(path, warehouse)


def finish_snapshot(
    migration: Migration,
    snapshot_id: str,
    *tables: Table,
    ledger: LedgerSeen | None = None,
    gap: str = "",
    source: str = "127.0.0.1:5432/shop",
    columns: dict[str, tuple[str, ...]] | None = None,
) -> None:
    """A catalog and no rows. `columns`: those that were read, per "schema.table"."""
    folder = migration.folder.snapshot(snapshot_id)
    manifest = SnapshotManifest(
        **_header(migration, snapshot_id),
        taken="live",
        source=source,
        captured=ledger is not None,
        ledger=ledger,
        uncaptured=gap,
        gap=bool(gap),
        catalog=Catalog(server_version=180006, tables=tables),
        columns=columns or {},
        tables={},
    )
    write_manifest(folder, manifest)


def finish_records(
    migration: Migration,
    snapshot_id: str,
    rows: Iterable[Row],
    buckets: int = 4,
    ledger: LedgerSeen | None = None,
    bear_source: tuple[str, ...] = (),
) -> None:
    folder = on_disk(migration.folder.records(snapshot_id))
    rows = list(rows)
    rejects = [row for row in rows if row.item is None]
    _write_records(folder, [row for row in rows if row.item is not None], buckets)
    (folder / "rejects").mkdir()
    if rejects:
        content = pa.Table.from_pylist([_reject(row) for row in rejects], schema=REJECT_SCHEMA)
        pq.write_table(content, folder / "rejects" / "part.parquet")
    manifest = RecordsManifest(
        **_header(migration, snapshot_id),
        snapshot_id=snapshot_id,
        buckets=buckets,
        records=len(rows) - len(rejects),
        rejects=len(rejects),
        reject_reasons={"item_too_large": len(rejects)},
        item_types={name: _counts(rows, name) for name in sorted({row.item_type or "" for row in rows})},
        ledger=ledger,
        bear_source=bear_source,
    )
    write_manifest(migration.folder.records(snapshot_id), manifest)


def _counts(rows: list[Row], item_type: str) -> ItemTypeCounts:
    own = [row for row in rows if row.item_type == item_type]
    rejects = sum(row.item is None for row in own)
    return ItemTypeCounts(rows=len(own), filtered=0, records=len(own) - rejects, rejects=rejects, embeds={})


def finish_dump(migration: Migration, dump_id: str, snapshot_id: str, rows: Iterable[Row], buckets: int = 4) -> None:
    folder = on_disk(migration.folder.dump(dump_id))
    rows = list(rows)
    _write_records(folder, rows, buckets)
    manifest = DumpManifest(
        **_header(migration, dump_id),
        taken="scan",
        snapshot_id=snapshot_id,
        segments=1,
        buckets=buckets,
        tables={},
        items=len(rows),
        tombstones=0,
        unmapped=sum(row.item_type is None for row in rows),
    )
    write_manifest(migration.folder.dump(dump_id), manifest)


def _header(migration: Migration, run_id: str) -> dict[str, Any]:
    return {
        "migration": migration.mapping.migration,
        "mapping_hash": migration.mapping_hash,
        "id": run_id,
        "started_at": datetime.now(UTC),
    }


def _write_records(folder: Path, rows: Iterable[Row], buckets: int) -> None:
    by_bucket: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        record = _record(row, buckets)
        by_bucket.setdefault(record["bucket"], []).append(record)
    (folder / "records").mkdir(parents=True)
    for bucket, records in by_bucket.items():
        (folder / "records" / f"bucket={bucket}").mkdir()
        content = pa.Table.from_pylist(records, schema=RECORD_SCHEMA).drop_columns(["bucket"])
        pq.write_table(content, folder / "records" / f"bucket={bucket}" / "part.parquet")


def _record(row: Row, buckets: int) -> dict[str, Any]:
    assert row.key is not None
    assert row.item is not None
    return {
        "item_type": row.item_type,
        "table": row.table,
        "key": row.key,
        "source_key": row.source_key,
        "bucket": bucket_of(row.key, buckets),
        "item": row.item,
        "version": row.version,
        "digest": hashlib.sha256(row.item.encode()).digest(),
        "size": len(row.item),
    }


def _reject(row: Row) -> dict[str, Any]:
    return {
        "item_type": row.item_type,
        "source_key": row.source_key,
        "table": row.table,
        "key": row.key,
        "reason": "item_too_large",
        "attribute": None,
        "size": 409_601,
        "detail": None,
    }
