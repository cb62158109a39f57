"""A few rows of what a stage has made, as tables for Dagster: what is sensitive masked, what is long cut.

They are read from the beginning of one file, however large the dataset is: examples, no fair sample.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from expectations.differences import DifferencesScan
from expectations.display import cut, visible
from expectations.key_mask import KeyMask
from expectations.report_data import Sample, ShownValue
from expectations.samples import samples_of
from pipelines.diff.differences import DIFFERENCES
from pipelines.diff.sensitive import MASK, Sensitive
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.plan import MigrationPlan
from pipelines.migration import Migration
from pipelines.warehouse.dataset import RECORDS, bucket_batches
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import DiffManifest, DumpManifest, RecordsManifest, SnapshotManifest
from pipelines.warehouse.place import Place

READ = 100
"""Rows that are looked at."""

OF_EACH_TYPE = 2
MOST = 10
_ITEM_CHARACTERS = 400
_COLUMNS = ("item_type", "table", "key", "version", "size", "item")

Rows = dict[str, dg.MetadataValue]
"""Metadata: the table, or nothing where there is no row to show."""


def sample_of_records(migration: Migration, manifest: RecordsManifest) -> Rows:
    folder = migration.folder.records(manifest.snapshot_id)
    return _table(_records(folder, manifest.buckets, _plan(migration, manifest.snapshot_id)))


def sample_of_dump(migration: Migration, manifest: DumpManifest) -> Rows:
    folder = migration.folder.dump(manifest.id)
    return _table(_records(folder, manifest.buckets, _plan(migration, manifest.snapshot_id)))


def sample_of_differences(migration: Migration, manifest: DiffManifest) -> Rows:
    if not manifest.differences:
        return {}
    rows = _first_differences(migration.folder.diff(manifest.id) / DIFFERENCES)
    by_verdict = {
        verdict: rows.filter(pc.equal(rows["verdict"], verdict)) for verdict in rows["verdict"].unique().to_pylist()
    }
    scan = DifferencesScan(by_verdict, rows.num_rows)
    samples = samples_of(scan, _plan(migration, manifest.snapshot_id), migration.folder.records(manifest.snapshot_id))
    return _table([_difference(sample) for sample in samples[:MOST]])


def _plan(migration: Migration, snapshot_id: str) -> MigrationPlan:
    snapshot = read_manifest(migration.folder.snapshot(snapshot_id), SnapshotManifest, migration.mapping_hash)
    return compile_mapping(migration.mapping, snapshot.catalog)


def _table(records: Sequence[dg.TableRecord]) -> Rows:
    return {"sample": dg.MetadataValue.table(records)} if records else {}


def _records(dataset: Place, buckets: int, plan: MigrationPlan) -> list[dg.TableRecord]:
    masks = _Masks.of(plan)
    return [masks.record(row) for row in _few_of_each(_first_rows(dataset / RECORDS, buckets))]


def _first_rows(folder: Place, buckets: int) -> list[dict[str, Any]]:
    for bucket in range(buckets):
        for batch in bucket_batches(folder, bucket, _COLUMNS, READ):
            return list(batch.to_pylist())
    return []


def _few_of_each(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    taken: Counter[str | None] = Counter()
    for row in rows:
        if taken[row["item_type"]] < OF_EACH_TYPE and taken.total() < MOST:
            taken[row["item_type"]] += 1
            yield row


def _first_differences(folder: Place) -> pa.Table:
    for file in folder.files(".parquet"):
        with file.open_input() as source:
            for batch in pq.ParquetFile(source).iter_batches(batch_size=READ):
                return pa.Table.from_batches([batch])
    return pa.table({"verdict": pa.array([], pa.string())})


@dataclass(frozen=True)
class _Masks:
    """Of each item type what its items hide, and the names of its key's attributes."""

    keys: KeyMask
    items: dict[str, Sensitive]
    key_names: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, plan: MigrationPlan) -> _Masks:
        return cls(
            KeyMask.of(plan),
            {item.name: Sensitive(item.sensitive) for item in plan.items},
            {item.name: tuple(key.name for key in item.key) for item in plan.items},
        )

    def record(self, row: dict[str, Any]) -> dg.TableRecord:
        item_type, table = row["item_type"] or "", row["table"]
        return dg.TableRecord(
            {
                "item_type": visible(item_type),
                "table": table,
                "key": self.keys.shown(row["key"], item_type, table),
                "version": row["version"],
                "bytes": row["size"],
                "item": cut(self.item(row["item"], item_type, table), _ITEM_CHARACTERS),
            }
        )

    def item(self, document: str, item_type: str, table: str) -> str:
        """Its key's attributes are hidden as the key is. Of what fits no item type nothing says what is sensitive."""
        if item_type not in self.items:
            return MASK
        hidden = self.key_names[item_type] if self.keys.hides(item_type, table) else ()
        sensitive = self.items[item_type]
        shown = {
            name: MASK if name in hidden else sensitive.masked(value, (name,))
            for name, value in json.loads(document).items()
        }
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def _difference(sample: Sample) -> dg.TableRecord:
    """With the first of the paths at which the two sides differ, or why it is a reject."""
    first = sample.paths[0] if sample.paths else None
    return dg.TableRecord(
        {
            "verdict": sample.verdict,
            "item_type": sample.item_type,
            "table": sample.table,
            "key": sample.key,
            "path": None if first is None else first.path,
            "source": None if first is None else _value(first.source),
            "target": None if first is None else _value(first.target),
            "more_paths": max(0, len(sample.paths) - 1) + sample.more_paths,
            "reject": sample.reject or None,
        }
    )


def _value(value: ShownValue | None) -> str:
    return "(absent)" if value is None else value.text
