"""The stage: chooses the run, hands out its buckets, checks the accounts, writes the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING

from pipelines.backfill.allowed import require_allowed
from pipelines.backfill.ledger import BackfillLedger, backfill_ledger
from pipelines.backfill.wanted import COLD, LIVE, Wanted, begin, insisted_on, new_run, same_as_before
from pipelines.errors import AccountsError, TargetError, UsageError
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.source.drift import require_same_schema
from pipelines.target.backfill_run import BackfillFolder, BackfillRun, BucketAccount, Watch
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.cold_bucket import ColdBucket, selected, write_bucket
from pipelines.target.describe import require_tables
from pipelines.target.forecast import Forecast, forecast
from pipelines.target.live_bucket import LiveBucket, put_bucket
from pipelines.warehouse.dataset import RECORDS, count_rows, read_bucket
from pipelines.warehouse.layout import new_id, read_manifest, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import BackfillManifest, RecordsManifest
from pipelines.warehouse.place import Place
from pipelines.warehouse.snapshots import checked_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from pipelines.fanout import FanOut


def run_backfill(
    migration: Migration,
    fan_out: FanOut,
    *,
    snapshot_id: str | None = None,
    mode: str | None = None,
    run_id: str | None = None,
    resume: bool = False,
    force: bool = False,
    item_types: tuple[str, ...] = (),
    buckets: Sequence[int] | None = None,
) -> BackfillManifest:
    """Writes the records of a snapshot (the latest unless given), or of some item types and buckets only.

    `mode`: `live` puts only where nothing newer is, and needs a snapshot with versions, and the source; `cold`
    overwrites. Unless given it is `live` where the snapshot has versions.
    Goes on with the last run where that is unfinished and writes the same, and says so on stderr. `resume` insists:
    it goes on with the last run whichever snapshot that writes, or raises; where that is finished and wrote the same,
    it says so and returns its manifest. `force` begins a cold run although the tables are not empty, or others write.

    Raises UsageError, StageError (other mapping, other records, a run under way; a snapshot that must not be written),
    TargetError (tables missing or not empty; items that DynamoDB did not take: the run is then unfinished, and the
    next call tries them again), SourceError, AccountsError.
    """
    _require_mode(mode)
    run_id = new_id() if run_id is None else checked_id(run_id)
    with closing(dynamodb_client()) as client, stage_lock(migration.folder.root, "backfill", run_id):
        require_tables(migration.mapping, client)
        wanted = Wanted(migration, client, snapshot_id, item_types, buckets, mode)
        begun = insisted_on(wanted) if resume else None if force else same_as_before(wanted)
        if begun is not None and begun.is_finished:
            return read_manifest(begun.path, BackfillManifest, migration.mapping_hash)
        run = wanted.run(run_id) if begun is None else begun.run()
        records = read_manifest(migration.folder.records(run.snapshot_id), RecordsManifest, migration.mapping_hash)
        require_allowed(migration, records, run.mode, force=force or run.forced)
        require_same_schema(migration.mapping, migration.folder, run.snapshot_id)
        with _ledger(migration, records, run) as ledger:
            begun = begun or begin(wanted, run_id, force=force)
            return _write(migration, fan_out, client, begun, records, ledger)


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


def _require_mode(mode: str | None) -> None:
    if mode == "import":
        raise UsageError(f"--mode {mode}: not supported yet; use {LIVE} or {COLD}")
    if mode not in (None, COLD, LIVE):
        raise UsageError(f"--mode {mode}: no such mode; use {LIVE} or {COLD}")


def _ledger(
    migration: Migration, records: RecordsManifest, run: BackfillRun
) -> AbstractContextManager[BackfillLedger | None]:
    """What a cold run does not ask for."""
    return backfill_ledger(migration, records, run.id) if run.mode == LIVE else nullcontext()


def _write(
    migration: Migration,
    fan_out: FanOut,
    client: DynamoDBClient,
    folder: BackfillFolder,
    records: RecordsManifest,
    ledger: BackfillLedger | None,
) -> BackfillManifest:
    run = folder.run()
    done = {account.bucket for account in folder.accounts(run.selected) if not account.failed}
    left = [bucket for bucket in run.selected if bucket not in done]
    for bucket in left:
        folder.reopen_bucket(bucket)
    with Progress("backfill", _rows(_records_folder(migration, run), run, left), "items") as progress:
        watch = Watch(folder, left, progress)
        _hand_out(migration, fan_out, Address.of(client), folder, records, left, watch)
    if ledger is not None:
        ledger.judge(folder, run.selected)
    accounts = folder.accounts(run.selected)
    _require_complete(migration, run, accounts)
    _require_all_taken(folder, accounts)
    if ledger is not None:
        ledger.finish()
    manifest = _manifest(migration, run, accounts)
    write_manifest(folder.path, manifest)
    return manifest


def _hand_out(
    migration: Migration,
    fan_out: FanOut,
    address: Address,
    folder: BackfillFolder,
    records: RecordsManifest,
    buckets: Sequence[int],
    watch: Watch,
) -> None:
    run = folder.run()
    records_folder, bear_source = _records_folder(migration, run), frozenset(records.bear_source)
    if run.mode == COLD:
        cold = [ColdBucket(address, records_folder, folder.path, n, run.item_types, bear_source) for n in buckets]
        fan_out(cold, write_bucket, stop_flag=folder.stop_flag, on_poll=watch.look)
        return
    keys = {name: table.partition_key.name for name, table in migration.mapping.target.tables.items()}
    live = [LiveBucket(address, records_folder, folder.path, n, keys, run.item_types, bear_source) for n in buckets]
    fan_out(live, put_bucket, stop_flag=folder.stop_flag, on_poll=watch.look)


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
        f"backfill {folder.path.name}: {sum(one.failed + one.conflicts for one in failed)} of "
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
