"""The stage: chooses the run, hands out its buckets, checks the accounts, writes the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from pipelines.backfill.wanted import COLD, Wanted, begin, insisted_on, new_run, same_as_before
from pipelines.errors import AccountsError, TargetError, UsageError
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.source.drift import require_same_schema
from pipelines.target.backfill_run import BackfillFolder, BackfillRun, BucketAccount, Watch
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.cold_bucket import ColdBucket, selected, write_bucket
from pipelines.target.describe import require_tables
from pipelines.target.forecast import Forecast, forecast
from pipelines.warehouse.dataset import RECORDS, count_rows, read_bucket
from pipelines.warehouse.layout import new_id, read_manifest, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import BackfillManifest, RecordsManifest
from pipelines.warehouse.place import Place
from pipelines.warehouse.snapshots import checked_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from pipelines.fanout import FanOut

_LATER_MODES = ("live", "import")


def run_backfill(
    migration: Migration,
    fan_out: FanOut,
    *,
    snapshot_id: str | None = None,
    mode: str = COLD,
    run_id: str | None = None,
    resume: bool = False,
    force: bool = False,
    item_types: tuple[str, ...] = (),
    buckets: Sequence[int] | None = None,
) -> BackfillManifest:
    """Writes the records of a snapshot (the latest unless given), or of some item types and buckets only.

    Goes on with the last run where that is unfinished and writes the same, and says so on stderr. `resume` insists:
    it goes on with the last run whichever snapshot that writes, or raises; where that is finished and wrote the same,
    it says so and returns its manifest. `force` begins a run although the tables are not empty.

    Raises UsageError, StageError (other mapping, other records, a run under way), TargetError (tables missing or
    not empty; items that DynamoDB did not take: the run is then unfinished, and the next call tries them again),
    AccountsError.
    """
    _require_cold(mode)
    run_id = new_id() if run_id is None else checked_id(run_id)
    with closing(dynamodb_client()) as client, stage_lock(migration.folder.root, "backfill", run_id):
        require_tables(migration.mapping, client)
        wanted = Wanted(migration, client, snapshot_id, item_types, buckets)
        if resume:
            begun = insisted_on(wanted)
            if begun.is_finished:
                return read_manifest(begun.path, BackfillManifest, migration.mapping_hash)
        else:
            begun = (None if force else same_as_before(wanted)) or begin(wanted, run_id, force=force)
        run = begun.run()
        require_same_schema(migration.mapping, migration.folder, run.snapshot_id)
        return _write(migration, fan_out, client, begun, run)


def estimate(
    migration: Migration,
    *,
    snapshot_id: str | None = None,
    item_types: tuple[str, ...] = (),
    buckets: Sequence[int] | None = None,
) -> Forecast:
    """What a backfill would write, from the records alone: nothing is asked of DynamoDB, nothing is written."""
    run = new_run(migration, "estimate", snapshot_id, item_types, buckets, {})
    indexes = {name: len(table.indexes) for name, table in migration.mapping.target.tables.items()}
    total = Forecast()
    for bucket in run.selected:
        rows = read_bucket(_records_folder(migration, run), bucket, ("item_type", "table", "size"))
        total += forecast(selected(rows, item_types), indexes)
    return total


def _require_cold(mode: str) -> None:
    if mode in _LATER_MODES:
        raise UsageError(f"--mode {mode}: not supported yet; use {COLD}, on tables that nobody writes meanwhile")
    if mode != COLD:
        raise UsageError(f"--mode {mode}: no such mode; use {COLD}")


def _write(
    migration: Migration, fan_out: FanOut, client: DynamoDBClient, folder: BackfillFolder, run: BackfillRun
) -> BackfillManifest:
    done = {account.bucket for account in folder.accounts(run.selected) if not account.failed}
    left = [bucket for bucket in run.selected if bucket not in done]
    for bucket in left:
        folder.reopen_bucket(bucket)
    address, records_folder = Address.of(client), _records_folder(migration, run)
    tasks = [ColdBucket(address, records_folder, folder.path, bucket, run.item_types) for bucket in left]
    with Progress("backfill", _rows(records_folder, run, left), "items") as progress:
        watch = Watch(folder, left, progress)
        fan_out(tasks, write_bucket, stop_flag=folder.stop_flag, on_poll=watch.look)
    accounts = folder.accounts(run.selected)
    _require_complete(migration, run, accounts)
    _require_all_taken(folder, accounts)
    manifest = _manifest(migration, run, accounts)
    write_manifest(folder.path, manifest)
    return manifest


def _require_complete(migration: Migration, run: BackfillRun, accounts: Sequence[BucketAccount]) -> None:
    for account in accounts:
        account.require_balance()
    missing = len(run.selected) - len(accounts)
    if missing:
        raise AccountsError(f"backfill {run.id}: {missing} buckets have no account; run it again to go on")
    if run.item_types or len(run.selected) != run.buckets:
        return
    expected = read_manifest(migration.folder.records(run.snapshot_id), RecordsManifest).records
    found = sum(account.records for account in accounts)
    if found != expected:
        raise AccountsError(
            f"backfill {run.id}: the records' manifest says {expected}, but the buckets hold {found}; "
            "make the records again"
        )


def _require_all_taken(folder: BackfillFolder, accounts: Sequence[BucketAccount]) -> None:
    failed = [account for account in accounts if account.failed]
    if not failed:
        return
    codes: Counter[str] = Counter()
    for account in failed:
        codes.update(error.partition(":")[0] for error in folder.errors(account.bucket))
    reasons = ", ".join(f"{count} {code}" for code, count in codes.most_common())
    raise TargetError(
        f"backfill {folder.path.name}: {sum(one.failed for one in failed)} of "
        f"{sum(one.records for one in accounts)} items were not written ({reasons}); "
        f"they are listed in {folder.path / 'failed'}; running it again tries them again"
    )


def _manifest(migration: Migration, run: BackfillRun, accounts: Sequence[BucketAccount]) -> BackfillManifest:
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


def _records_folder(migration: Migration, run: BackfillRun) -> Place:
    return migration.folder.records(run.snapshot_id) / RECORDS


def _rows(records_folder: Place, run: BackfillRun, buckets: Sequence[int]) -> int | None:
    """How many items the buckets hold; None where only some item types are written."""
    return None if run.item_types else count_rows(records_folder, buckets)
