"""The stage: chooses the run, and has its buckets written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING

from pipelines.backfill.accounts import manifest_of
from pipelines.backfill.allowed import require_allowed
from pipelines.backfill.ledger import backfill_ledger
from pipelines.backfill.part import Part, buckets_of
from pipelines.backfill.refused import RefusedPuts
from pipelines.backfill.wanted import COLD, IMPORT, LIVE, Wanted, begin, insisted_on, new_run, same_as_before
from pipelines.backfill.writing import Heard, Writing
from pipelines.errors import UsageError
from pipelines.fanout import FanOut
from pipelines.migration import Migration
from pipelines.source.drift import require_same_schema
from pipelines.target.backfill_run import BackfillFolder, BackfillRun, newest_run
from pipelines.target.capacity import Capacity, Kind, Units
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.cold_bucket import selected
from pipelines.target.describe import require_tables
from pipelines.target.forecast import Forecast, forecast
from pipelines.warehouse.dataset import RECORDS, read_bucket
from pipelines.warehouse.layout import checked_id, new_id, read_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import BackfillManifest, RecordsManifest
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from pipelines.backfill.importing.options import ImportOptions


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
    wcu: str | int | None = None,
    parts: Sequence[Part] = (),
    importing: ImportOptions | None = None,
    heard: Heard = lambda _: None,
) -> BackfillManifest:
    """Writes the records of a snapshot (the latest unless given), or of some item types and buckets only.

    `mode`: `live` puts only where nothing newer is, and needs records with versions, and the ledger's source; `cold`
    overwrites; `import` has DynamoDB make the tables of objects in S3, as `importing` says: all of them, so that it
    takes no item types, buckets, `force` or `wcu`. Unless given it is `live` where the records have versions.
    Goes on with the last run where that is unfinished and writes the same, and says so on stderr. `resume` insists:
    it goes on with the last run whichever snapshot that writes, or raises; where that is finished and wrote the same,
    it says so and returns its manifest. `force` begins a cold run although the tables are not empty, or others write.
    `wcu`: write capacity units a second of each table, its indexes' included, or a share of what it has, `50%`; for
    this call only. Unless given, the tables take what they can. `parts`: this call writes only their share of the run,
    and returns the counts of that alone; the run is begun by the first part and finished by the last. `heard` is told
    how far the call is.

    Raises UsageError, StageError (other mapping, other records, a run under way; a snapshot that must not be written),
    TargetError (tables missing or not empty; items that DynamoDB did not take: the run is then unfinished, and the
    next call tries them again), SourceError, AccountsError.
    """
    _require_mode(mode)
    if mode == IMPORT or (mode is None and resume and _last_mode(migration) == IMPORT):
        if force or item_types or buckets is not None or parts or wcu is not None:
            raise UsageError(
                "--mode import: makes whole tables that are new, and uses none of their capacity; leave item types, "
                "buckets, parts, --force and --wcu out"
            )
        # Here: the other modes need nothing of it.
        from pipelines.backfill.importing.run import run_import

        return run_import(migration, fan_out, snapshot_id=snapshot_id, run_id=run_id, resume=resume, options=importing)
    if importing is not None and importing.given():
        raise UsageError(f"{', '.join(importing.given())}: only with --mode import")
    limit = None if wcu is None else Units.parse(wcu, Kind.WRITE)
    run_id = new_id() if run_id is None else checked_id(run_id)
    with closing(dynamodb_client()) as client, stage_lock(migration.folder.root, "backfill", run_id) as lock:
        require_tables(migration.mapping, client)
        capacity = None if limit is None else Capacity.to_write(limit, migration.mapping, client)
        wanted = Wanted(migration, client, snapshot_id, item_types, buckets, mode)
        begun = _begun(wanted, resume=resume, force=force, in_parts=bool(parts))
        if begun is not None and begun.is_finished:
            return _of_finished(migration, begun, parts)
        run = wanted.run(run_id) if begun is None else begun.run()
        lock.rename(run.id)
        records = read_manifest(migration.folder.records(run.snapshot_id), RecordsManifest, migration.mapping_hash)
        require_allowed(migration, records, run.mode, run.item_types, force=force or run.forced)
        require_same_schema(migration.mapping, migration.folder, run.snapshot_id)
        with _refused_puts(migration, records, run) as refused:
            begun = begun or begin(wanted, run_id, force=force)
            address = Address.of(client)
            return Writing(migration, fan_out, address, begun, records, refused, capacity, parts, heard).write()


def _begun(wanted: Wanted, *, resume: bool, force: bool, in_parts: bool) -> BackfillFolder | None:
    """The run to go on with, finished or not. The parts of a forced run, too, are parts of one."""
    if resume:
        return insisted_on(wanted)
    if force and not in_parts:
        return None
    return same_as_before(wanted, or_finished=in_parts and not force)


def _of_finished(migration: Migration, folder: BackfillFolder, parts: Sequence[Part]) -> BackfillManifest:
    manifest = read_manifest(folder.path, BackfillManifest, migration.mapping_hash)
    if not parts:
        return manifest
    run = folder.run()
    return manifest_of(migration, run, folder.accounts(buckets_of(parts, run.selected, run.buckets)))


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
    if mode not in (None, COLD, LIVE, IMPORT):
        raise UsageError(f"--mode {mode}: no such mode; use {LIVE}, {COLD} or {IMPORT}")


def _last_mode(migration: Migration) -> str | None:
    last = newest_run(migration.folder.root / "backfills")
    return None if last is None else last.run().mode


def _refused_puts(
    migration: Migration, records: RecordsManifest, run: BackfillRun
) -> AbstractContextManager[RefusedPuts | None]:
    """By which a live run's refused puts are judged; a cold run has none."""
    if run.mode != LIVE:
        return nullcontext()
    if records.ledger is not None:
        return backfill_ledger(migration, records, run.id)
    return nullcontext(RefusedPuts(run.id, frozenset(records.bear_source), migration.mapping.versioned))


def _records_folder(migration: Migration, run: BackfillRun) -> Place:
    return migration.folder.records(run.snapshot_id) / RECORDS
