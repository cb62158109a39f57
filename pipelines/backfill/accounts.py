"""A run's accounts: whole when its buckets are, and then its manifest."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.errors import AccountsError
from pipelines.migration import Migration
from pipelines.target.backfill_run import BackfillRun, BucketAccount
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import BackfillManifest, RecordsManifest


def require_accounted(run: BackfillRun, buckets: Sequence[int], accounts: Sequence[BucketAccount]) -> None:
    """Each of these buckets has its account, and each account balances. Raises AccountsError."""
    for account in accounts:
        account.require_balance()
    missing = len(buckets) - len(accounts)
    if missing:
        raise AccountsError(f"backfill {run.id}: {missing} buckets have no account; run it again to go on")


def require_complete(migration: Migration, run: BackfillRun, accounts: Sequence[BucketAccount]) -> None:
    """All buckets are accounted for, and together they are what the records' manifest says. Raises AccountsError."""
    require_accounted(run, run.selected, accounts)
    if run.item_types or len(run.selected) != run.buckets:
        return
    expected = read_manifest(migration.folder.records(run.snapshot_id), RecordsManifest).records
    found = sum(account.records for account in accounts)
    if found != expected:
        raise AccountsError(
            f"backfill {run.id}: the records' manifest says {expected}, but the buckets hold {found}; "
            "make the records again"
        )


def manifest_of(migration: Migration, run: BackfillRun, accounts: Sequence[BucketAccount]) -> BackfillManifest:
    return BackfillManifest(
        migration=migration.mapping.migration,
        mapping_hash=run.mapping_hash,
        id=run.id,
        started_at=run.started_at,
        snapshot_id=run.snapshot_id,
        mode=run.mode,
        buckets=run.buckets,
        records=sum(one.records for one in accounts),
        written=sum(one.written for one in accounts),
        superseded=sum(one.superseded for one in accounts),
        conflicts=sum(one.conflicts for one in accounts),
        failed=sum(one.failed for one in accounts),
    )
