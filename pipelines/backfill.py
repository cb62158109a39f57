"""The stage `backfill`: a snapshot's records become items of the DynamoDB tables.

`cold` is for tables that were empty when the run began and that nobody else writes meanwhile: it overwrites. A run
goes bucket by bucket, and one that was interrupted, even by SIGKILL, is taken up again with `resume`: a bucket whose
account is there is done, any other is written again from its start, with the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from pipelines.errors import AccountsError, StageError, TargetError, UsageError
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.target.backfill_run import BackfillFolder, BackfillRun, BucketAccount, Watch, newest_unfinished
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.cold_bucket import ColdBucket, selected, write_bucket
from pipelines.target.describe import has_items, require_tables
from pipelines.target.forecast import Forecast, forecast
from pipelines.warehouse.dataset import RECORDS, count_bucket, read_bucket
from pipelines.warehouse.layout import new_id, read_manifest, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import BackfillManifest, RecordsManifest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from pipelines.fanout import FanOut

COLD = "cold"
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

    `resume` goes on with the newest unfinished run; where there is none, and the last one wrote the same, that
    one's manifest is returned, else a run begins. `force` begins a run although the tables are not empty.

    Raises UsageError, StageError (other mapping, other records, a run under way), TargetError (tables missing or
    not empty; items that DynamoDB did not take: the run is then unfinished, and `resume` tries them again),
    AccountsError.
    """
    _require_cold(mode)
    client = dynamodb_client()
    begun = newest_unfinished(migration.folder.root / "backfills") if resume else None
    this_run = begun.path.name if begun else run_id or new_id()
    with stage_lock(migration.folder.root, "backfill", this_run):
        require_tables(migration.mapping, client)
        if begun is not None:
            run = _taken_up(migration, begun.run(), snapshot_id, item_types, buckets)
            return _write(migration, fan_out, client, begun, run)
        run = _new_run(migration, this_run, snapshot_id, item_types, buckets)
        if resume and (finished := _finished_before(migration, run)) is not None:
            return finished
        if not force:
            _require_empty(migration, client)
        folder = BackfillFolder(migration.folder.backfill(this_run))
        folder.begin(run)
        return _write(migration, fan_out, client, folder, run)


def estimate(
    migration: Migration,
    *,
    snapshot_id: str | None = None,
    item_types: tuple[str, ...] = (),
    buckets: Sequence[int] | None = None,
) -> Forecast:
    """What a backfill would write, from the records alone: nothing is asked of DynamoDB, nothing is written."""
    run = _new_run(migration, "estimate", snapshot_id, item_types, buckets)
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


def _new_run(
    migration: Migration,
    run_id: str,
    snapshot_id: str | None,
    item_types: tuple[str, ...],
    buckets: Sequence[int] | None,
) -> BackfillRun:
    snapshot = snapshot_id or migration.folder.latest("records", "run `crossover records` first")
    records = read_manifest(migration.folder.records(snapshot), RecordsManifest, migration.mapping_hash)
    unknown = [name for name in item_types if name not in records.item_types]
    if unknown:
        raise UsageError(f"no item type {', '.join(unknown)}; there are {', '.join(records.item_types)}")
    chosen = range(records.buckets) if buckets is None else sorted(set(buckets))
    if any(not 0 <= bucket < records.buckets for bucket in chosen):
        raise UsageError(f"buckets are numbered from 0 to {records.buckets - 1}")
    return BackfillRun(
        id=run_id,
        snapshot_id=snapshot,
        records_finished_at=records.finished_at,
        mode=COLD,
        mapping_hash=migration.mapping_hash,
        buckets=records.buckets,
        selected=tuple(chosen),
        item_types=tuple(sorted(set(item_types))),
        started_at=datetime.now(UTC),
    )


def _taken_up(
    migration: Migration,
    begun: BackfillRun,
    snapshot_id: str | None,
    item_types: tuple[str, ...],
    buckets: Sequence[int] | None,
) -> BackfillRun:
    """The unfinished run itself, where it may be gone on with. Raises StageError."""
    how = f"the unfinished backfill {begun.id} cannot be gone on with: "
    start = "; empty the tables and start a new one, or use --force"
    if begun.mapping_hash != migration.mapping_hash:
        raise StageError(f"{how}the mapping changed since it began{start}")
    if snapshot_id is not None and snapshot_id != begun.snapshot_id:
        raise StageError(f"{how}it writes snapshot {begun.snapshot_id}, not {snapshot_id}{start}")
    now = _new_run(migration, begun.id, begun.snapshot_id, item_types or begun.item_types, buckets or begun.selected)
    if (now.buckets, now.records_finished_at) != (begun.buckets, begun.records_finished_at):
        raise StageError(f"{how}the records of snapshot {begun.snapshot_id} were made again since it began{start}")
    if _what(now) != _what(begun):
        raise StageError(f"{how}it writes other item types or buckets than are asked for now{start}")
    return begun


def _finished_before(migration: Migration, run: BackfillRun) -> BackfillManifest | None:
    """The last finished run, if it wrote what this one would."""
    for run_id in reversed(migration.folder.finished("backfills")):
        path = migration.folder.backfill(run_id)
        same = _what(BackfillFolder(path).run()) == _what(run)
        return read_manifest(path, BackfillManifest, migration.mapping_hash) if same else None
    return None


def _what(run: BackfillRun) -> BackfillRun:
    """All of a run that decides what it writes."""
    return run.model_copy(update={"id": "", "started_at": datetime.min})


def _require_empty(migration: Migration, client: DynamoDBClient) -> None:
    full = [table for table in migration.mapping.target.tables if has_items(client, table)]
    if not full:
        return
    unfinished = newest_unfinished(migration.folder.root / "backfills")
    hint = (
        f"go on with the unfinished run {unfinished.path.name} by --resume"
        if unfinished
        else "a cold backfill is for empty tables: empty them"
    )
    raise TargetError(f"table {', '.join(full)}: not empty; {hint}, or overwrite what is there by --force")


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
        raise AccountsError(f"backfill {run.id}: {missing} buckets have no account; go on with --resume")
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
        errors = pq.ParquetFile(folder.failed_path(account.bucket)).read(columns=["error"])["error"].to_pylist()
        codes.update(error.partition(":")[0] for error in errors)
    reasons = ", ".join(f"{count} {code}" for code, count in codes.most_common())
    raise TargetError(
        f"backfill {folder.path.name}: {sum(one.failed for one in failed)} of "
        f"{sum(one.records for one in accounts)} items were not written ({reasons}); "
        f"they are listed in {folder.path / 'failed'}; --resume tries them again"
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


def _records_folder(migration: Migration, run: BackfillRun) -> Path:
    return migration.folder.records(run.snapshot_id) / RECORDS


def _rows(records_folder: Path, run: BackfillRun, buckets: Sequence[int]) -> int | None:
    """How many items the buckets hold; None where only some item types are written."""
    return None if run.item_types else sum(count_bucket(records_folder, bucket) for bucket in buckets)
