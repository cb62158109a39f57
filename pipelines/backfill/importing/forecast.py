"""What an import will cost, from the records alone."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.backfill.wanted import new_run
from pipelines.migration import Migration
from pipelines.target.cold_bucket import COLUMNS, puts_of
from pipelines.target.prices import GIB
from pipelines.warehouse.dataset import RECORDS, bucket_batches
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import RecordsManifest

_ROWS_AT_ONCE = 8_000


@dataclass(frozen=True)
class ImportForecast:
    """`object_bytes`: of all objects, before they are compressed."""

    records: int
    object_bytes: int

    def cost_usd(self, usd_per_gb: float) -> float:
        """What is refused is paid, too.
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.HowItWorks.html"""
        return self.object_bytes / GIB * usd_per_gb


def estimate_import(migration: Migration, *, snapshot_id: str | None = None) -> ImportForecast:
    """Nothing is asked of DynamoDB, nothing is written."""
    run = new_run(migration, "estimate", snapshot_id, (), None, {})
    folder = migration.folder.records(run.snapshot_id)
    bear_source = frozenset(read_manifest(folder, RecordsManifest, migration.mapping_hash).bear_source)
    records = object_bytes = 0
    for bucket in run.selected:
        for rows in bucket_batches(folder / RECORDS, bucket, COLUMNS, _ROWS_AT_ONCE):
            records += rows.num_rows
            object_bytes += sum(len(put.line()) + 1 for put in puts_of(rows, bear_source))
    return ImportForecast(records, object_bytes)
