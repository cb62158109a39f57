"""The stage, mode `import`: makes the objects, has DynamoDB import them, checks the counts, writes the manifest.

Killed at any instant and called again, it goes on: with the buckets whose objects are not there, with the imports that
were not asked for, or by awaiting those that were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from pipelines.backfill.accounts import manifest_of, require_complete
from pipelines.backfill.allowed import require_allowed
from pipelines.backfill.importing.begin import WantedImport, begin, begun_before, plan_of, require_room
from pipelines.backfill.importing.failed import Imported, require_imported
from pipelines.backfill.importing.imports import Imports
from pipelines.backfill.importing.objects import make_objects
from pipelines.backfill.importing.options import ImportOptions
from pipelines.backfill.ledger import backfill_ledger
from pipelines.backfill.wanted import IMPORT
from pipelines.errors import StageError, WarehouseError
from pipelines.migration import Migration
from pipelines.progress import tell
from pipelines.source.drift import require_same_schema
from pipelines.source.ledger.delivered_since import delivered_since
from pipelines.target.backfill_run import BackfillFolder, BackfillRun, BucketAccount
from pipelines.target.client import dynamodb_client
from pipelines.target.describe import existing_tables, refuse_other_shapes
from pipelines.target.import_folder import BucketObjects, ImportFolder, ImportPlan
from pipelines.target.table_creation import create_table, enable_ttl, wait_until_active
from pipelines.warehouse.dataset import RECORDS
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.layout import checked_id, new_id, read_manifest, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import BackfillManifest, RecordsManifest
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from pipelines.fanout import FanOut


def run_import(
    migration: Migration,
    fan_out: FanOut,
    *,
    snapshot_id: str | None = None,
    run_id: str | None = None,
    resume: bool = False,
    options: ImportOptions | None = None,
) -> BackfillManifest:
    """Imports all records of a snapshot (the latest unless given) into tables that are not there yet.

    Goes on with the last run as the other modes do. Raises UsageError, StageError, TargetError (a table is there
    already; an import failed: then what was imported stays, and the error says what to do), WarehouseError,
    SourceError, AccountsError, and KeyboardInterrupt, which says that imports under way go on.
    """
    run_id, options = new_id() if run_id is None else checked_id(run_id), options or ImportOptions()
    with closing(dynamodb_client()) as client, stage_lock(migration.folder.root, "backfill", run_id) as lock:
        wanted = WantedImport(migration, client, snapshot_id, (), None, IMPORT)
        begun = begun_before(wanted, resume=resume)
        if begun is not None and begun.is_finished:
            return read_manifest(begun.path, BackfillManifest, migration.mapping_hash)
        if begun is None:
            require_room(wanted, run_id, options)
        run = wanted.run(run_id) if begun is None else begun.run()
        lock.rename(run.id)
        records = read_manifest(migration.folder.records(run.snapshot_id), RecordsManifest, migration.mapping_hash)
        require_allowed(migration, records, IMPORT, force=False)
        require_same_schema(migration.mapping, migration.folder, run.snapshot_id)
        _begin_in_ledger(migration, records, run, is_new=begun is None)
        begun = begun or begin(wanted, run_id, options)
        return _Import(migration, client, begun, plan_of(migration, begun, options), records).carry_out(fan_out)


class _Import:
    """A run that was begun."""

    def __init__(
        self,
        migration: Migration,
        client: DynamoDBClient,
        folder: BackfillFolder,
        plan: ImportPlan,
        records: RecordsManifest,
    ) -> None:
        self._migration = migration
        self._client = client
        self._folder = folder
        self._plan = plan
        self._records = records
        self._tables = migration.mapping.target.tables

    def carry_out(self, fan_out: FanOut) -> BackfillManifest:
        folder, plan = self._folder, self._plan
        imports = Imports(self._client, self._migration.mapping, ImportFolder(folder.path), plan)
        imports.look_again()
        run = folder.run()
        source = self._migration.folder.records(run.snapshot_id) / RECORDS
        made = make_objects(folder, plan, source, self._records, imports.needed(), fan_out)
        items = _items(made)
        states = imports.carry_out(items, "run `crossover backfill` with --mode import again to await it")
        imported = [
            Imported(table, tuple(key.name for key in self._tables[table].keys), items[table], state)
            for table, state in states.items()
        ]
        require_imported(ImportFolder(folder.path), plan, imported, self._client.meta.region_name)
        self._finish_tables()
        return self._finish(run, made)

    def _finish_tables(self) -> None:
        """Those without records, too; and what an import does not do to a table."""
        client, mapping = self._client, self._migration.mapping
        for name, table in self._tables.items():
            if name not in self._plan.objects:
                create_table(client, name, table)
        wait_until_active(client, list(self._tables))
        refuse_other_shapes(mapping, existing_tables(mapping, client), client)
        for name, table in self._tables.items():
            enable_ttl(client, name, table)

    def _finish(self, run: BackfillRun, made: Sequence[BucketObjects]) -> BackfillManifest:
        folder = self._folder
        ImportFolder(folder.path).keep_refused(())
        each(lambda one: folder.finish_bucket(_account(one), ()), made, folder.path)
        accounts = folder.accounts(run.selected)
        require_complete(self._migration, run, accounts)
        _finish_in_ledger(self._migration, self._records, run)
        if not self._plan.keep_objects:
            _remove_objects(Place.of(self._plan.target))
        manifest = manifest_of(self._migration, run, accounts)
        write_manifest(folder.path, manifest)
        return manifest


def _begin_in_ledger(migration: Migration, records: RecordsManifest, run: BackfillRun, *, is_new: bool) -> None:
    """No sweep may begin until the run is finished. Not in one session: an import takes hours, and asks nothing of the
    source meanwhile. A new run finds no table, so that nothing is delivered from then on before its own is there."""
    if records.ledger is None:
        return
    with backfill_ledger(migration, records, run.id) as ledger:
        versions = migration.folder.snapshot(run.snapshot_id) / records.ledger.file
        newer = delivered_since(ledger.opened.session, records.ledger, versions) if is_new else 0
        if newer:
            ledger.finish()
            raise StageError(
                f"{newer:,} items were delivered since snapshot {run.snapshot_id}, to a table that is gone, and no "
                "relay delivers them again; take a new snapshot"
            )


def _finish_in_ledger(migration: Migration, records: RecordsManifest, run: BackfillRun) -> None:
    """Raises StageError where the epoch has ended: then the run is not whole."""
    if records.ledger is not None:
        with backfill_ledger(migration, records, run.id) as ledger:
            ledger.finish()


def _items(made: Sequence[BucketObjects]) -> dict[str, int]:
    """How many each table is to have."""
    items: Counter[str] = Counter()
    for one in made:
        for part in one.objects:
            items[part.table] += part.items
    return dict(items)


def _account(one: BucketObjects) -> BucketAccount:
    return BucketAccount(bucket=one.bucket, records=one.items, written=one.items)


def _remove_objects(target: Place) -> None:
    """They hold what the items hold. That they stay does not undo an import."""
    try:
        target.remove_tree()
    except WarehouseError as error:
        tell(f"{error}; the import is done, but its objects stay: remove them")
