"""A migration in a warehouse whose diff is finished: manifests and differences, written by hand.

The figures belong together: 4 customers, 40 orders of which 3 are drafts and 2 are rejected, 90 lines.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.diff.account import AttributeCount, DiffSummary
from pipelines.diff.differences import DIFFERENCE_SCHEMA, shortened
from pipelines.diff.paths import PathDifference, PathKind
from pipelines.items.record import REJECT_SCHEMA
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef
from pipelines.migration import Migration
from pipelines.warehouse.layout import write_manifest
from pipelines.warehouse.manifest import (
    BackfillManifest,
    DiffManifest,
    DumpManifest,
    EmbedCounts,
    ItemTypeCounts,
    RecordsManifest,
    SnapshotManifest,
    TableCounts,
    Verdicts,
)
from pipelines.warehouse.place import Place
from tests.on_disk import on_disk

RUN = "20261124T085513-3fa2b1"
SNAPSHOT = "20261124T085000-0a0a0a"
DUMP = "20261124T085400-0b0b0b"
BACKFILL = "20261124T085200-0c0c0c"
BEGIN = datetime(2026, 11, 24, 8, 50, tzinfo=UTC)

MAPPING = """
migration: shop
target:
  tables:
    shop: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}
    accounts: {partition_key: {name: pk, type: S}}
items:
  customer:
    table: accounts
    from: customers
    key: {pk: "{email}"}
    exclude: [password_hash]
    sensitive: [email]
  order:
    table: shop
    from: orders
    where: "status <> 'draft'"
    key: {pk: "ORDER#{order_id}", sk: "ORDER"}
    sensitive: [card]
    embed:
      lines:
        from: order_items
        on: {order_id: order_id}
        as: list
        order_by: [line_no]
        limit: 5
checks: {thresholds: {rejected: 2}}
"""

Path_ = tuple[str, str, str | None, str | None]
"""path, kind, source, target"""


@dataclass(frozen=True)
class Difference:
    """One row of the differences dataset."""

    verdict: str
    key: str | None
    item_type: str | None = "order"
    table: str = "shop"
    source_key: str | None = None
    source_size: int | None = 210
    target_size: int | None = 214
    paths: tuple[Path_, ...] = ()
    more_paths: int = 0

    def row(self) -> dict[str, Any]:
        return {
            "item_type": self.item_type,
            "table": self.table,
            "key": self.key,
            "source_key": self.source_key,
            "verdict": self.verdict,
            "source_version": None if self.source_size is None else 0,
            "target_version": None if self.target_size is None else 0,
            "source_size": self.source_size,
            "target_size": self.target_size,
            "paths": [
                {
                    "path": path,
                    "kind": kind,
                    "source": shortened(source),
                    "target": shortened(target),
                    "accepted_by": ["tolerance"] if self.verdict == "accepted" else [],
                }
                for path, kind, source, target in self.paths
            ],
            "more_paths": self.more_paths,
        }


def order_key(number: int) -> str:
    return f'{{"pk":{{"S":"ORDER#{number}"}},"sk":{{"S":"ORDER"}}}}'


REJECTS: list[dict[str, str | None]] = [
    {"reason": "number_out_of_range", "attribute": "lines.price", "detail": "40 digits, 38 allowed"},
    {"reason": "item_too_large", "attribute": None, "detail": None},
]
"""Of REJECTED, one for one, as the records have them."""

REJECTED = tuple(
    Difference(
        "rejected", order_key(number), source_key=f'{{"order_id":"{number}"}}', source_size=None, target_size=None
    )
    for number in (38, 39)
)


@dataclass(frozen=True)
class FinishedDiff:
    """`differences` are the rows beside the matches; the counts follow from them.

    `balanced` false loses a row; `more` overrides fields of the diff's manifest.
    """

    differences: tuple[Difference, ...] = REJECTED
    reasons: tuple[str, ...] = ()
    coverage: float = 1.0
    with_backfill: bool = True
    matches: bool = True
    balanced: bool = True
    tombstones: int = 0
    more: dict[str, Any] = field(default_factory=dict)

    def planted(self, *differences: Difference) -> FinishedDiff:
        """The same diff, inconsistent by these."""
        counts = Counter(one.verdict for one in differences)
        reasons = tuple(f"{count} {verdict}" for verdict, count in counts.items())
        return replace(self, differences=(*self.differences, *differences), reasons=(*self.reasons, *reasons))

    def write(self, folder: Path, mapping: str = MAPPING) -> Migration:
        """The migration, its warehouse below `folder`."""
        path = folder / "shop.yaml"
        path.write_text(mapping, encoding="utf-8")
        migration = Migration.open(path, folder / "warehouse")
        for place, manifest in self._manifests(migration):
            write_manifest(place, manifest)
        self._write_differences(on_disk(migration.folder.diff(RUN)) / "differences")
        _write_rejects(on_disk(migration.folder.records(SNAPSHOT)) / "rejects")
        summary = self._summary().model_dump_json()
        (migration.folder.diff(RUN) / "summary.json").write_atomically(summary)
        return migration

    def _write_differences(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for bucket in range(2):
            rows = [one.row() for one in self.differences[bucket::2]]
            pq.write_table(pa.Table.from_pylist(rows, DIFFERENCE_SCHEMA), folder / f"bucket={bucket}.parquet")

    def _summary(self) -> DiffSummary:
        counts = Counter(
            (
                one.item_type or "",
                PathDifference(path, PathKind(kind), None, None).general,
                kind,
                one.verdict == "accepted",
            )
            for one in self.differences
            for path, kind, _, _ in one.paths
        )
        return DiffSummary(
            migration="shop",
            run_id=RUN,
            attributes=tuple(
                AttributeCount(item_type=item_type, path=path, kind=PathKind(kind), count=count, accepted=accepted)
                for (item_type, path, kind, accepted), count in sorted(
                    counts.items(), key=lambda one: (-one[1], one[0])
                )
            ),
            other_attributes=sum(one.more_paths for one in self.differences),
            **{name: value for name, value in self._diff().items() if name in DiffSummary.model_fields},
        )

    def _manifests(self, migration: Migration) -> list[tuple[Place, Any]]:
        head: dict[str, Any] = {"migration": "shop", "mapping_hash": migration.mapping_hash, "crossover": "0.1.0"}
        folder = migration.folder
        made: list[tuple[Place, Any]] = [
            (folder.snapshot(SNAPSHOT), SnapshotManifest(**head, **_times(0), id=SNAPSHOT, **_snapshot())),
            (folder.records(SNAPSHOT), RecordsManifest(**head, **_times(1), id=SNAPSHOT, **self._records())),
            (folder.dump(DUMP), DumpManifest(**head, **_times(4), id=DUMP, **self._dump())),
            (folder.diff(RUN), DiffManifest(**head, **_times(5), id=RUN, **self._diff())),
        ]
        if self.with_backfill:
            made.append((folder.backfill(BACKFILL), BackfillManifest(**head, **_times(2), id=BACKFILL, **_backfill())))
        return made

    def _records(self) -> dict[str, Any]:
        return {
            "snapshot_id": SNAPSHOT,
            "buckets": 2,
            "records": 39,
            "rejects": 2,
            "reject_reasons": {"number_out_of_range": 1, "item_too_large": 1},
            "item_types": {
                "customer": ItemTypeCounts(rows=4, filtered=0, records=4, rejects=0, embeds={}),
                "order": ItemTypeCounts(
                    rows=40,
                    filtered=3 if self.balanced else 2,
                    records=35,
                    rejects=2,
                    embeds={"lines": EmbedCounts(rows=90, embedded=80, filtered=0, beyond_limit=7, orphans=3)},
                ),
            },
        }

    def _dump(self) -> dict[str, Any]:
        return {
            "taken": "scan",
            "snapshot_id": SNAPSHOT,
            "segments": 2,
            "buckets": 2,
            "tables": {"accounts": 4, "shop": 35},
            "items": 39,
            "tombstones": self.tombstones,
            "unmapped": 0,
        }

    def _diff(self) -> dict[str, Any]:
        types = {"customer": {"match": 4}, "order": {"match": 35}} if self.matches else {}
        for one in self.differences:
            counts = types.setdefault(one.item_type or "", {})
            counts[one.verdict] = counts.get(one.verdict, 0) + 1
            if one.verdict in {"mismatch", "missing"}:
                counts["match"] -= 1
        verdicts = {name: Verdicts(**counts) for name, counts in types.items()}
        total = Verdicts(
            **{name: sum(getattr(one, name) for one in verdicts.values()) for name in Verdicts.model_fields}
        )
        return {
            "snapshot_id": SNAPSHOT,
            "dump_id": DUMP,
            "mode": "no_ledger",
            "buckets": 2,
            "coverage": self.coverage,
            "source_records": 39,
            "source_rejects": 2,
            "target_items": 39,
            "union": total.total(),
            "verdicts": total,
            "item_types": verdicts,
            "differences": len(self.differences),
            "rejected_at_most": 2,
            "consistent": not self.reasons,
            "reasons": self.reasons,
        } | self.more


def _write_rejects(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    rows = [
        {"item_type": "order", "table": "shop", "key": one.key, "source_key": one.source_key, **reject}
        for one, reject in zip(REJECTED, REJECTS, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows, REJECT_SCHEMA), folder / "rejects.parquet")


def _times(minute: int) -> dict[str, Any]:
    started = BEGIN + timedelta(minutes=minute)
    return {"started_at": started, "finished_at": started + timedelta(seconds=20)}


def _snapshot() -> dict[str, Any]:
    tables = (
        _table("customers", {"email": Kind.TEXT, "name": Kind.TEXT, "password_hash": Kind.TEXT}, "email"),
        _table("orders", {"order_id": Kind.INTEGER, "status": Kind.TEXT, "card": Kind.TEXT}, "order_id"),
        _table(
            "order_items",
            {"order_id": Kind.INTEGER, "line_no": Kind.INTEGER, "price": Kind.NUMERIC},
            "order_id",
            "line_no",
        ),
    )
    return {
        "taken": "live",
        "source": "127.0.0.1:5432/shop",
        "captured": False,
        "catalog": Catalog(server_version=180006, tables=tables),
        "columns": {
            str(table.ref): tuple(one.name for one in table.columns if one.name != "password_hash") for table in tables
        },
        "tables": {str(table.ref): TableCounts(rows=4, bytes=900, files=("0.parquet",)) for table in tables},
    }


def _backfill() -> dict[str, Any]:
    return {
        "snapshot_id": SNAPSHOT,
        "mode": "cold",
        "buckets": 2,
        "records": 39,
        "written": 39,
        "superseded": 0,
        "conflicts": 0,
        "failed": 0,
    }


def _table(name: str, columns: dict[str, Kind], *key: str) -> Table:
    return Table(
        ref=TableRef(schema_name="public", table=name),
        relation=Relation.TABLE,
        columns=tuple(
            Column(name=column, type=SourceType(name=str(kind), kind=kind), nullable=column not in key)
            for column, kind in columns.items()
        ),
        primary_key=key,
    )
