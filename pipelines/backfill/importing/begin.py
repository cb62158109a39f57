"""Which run an import is: one that was begun before, or a new one, whose objects are planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from pipelines.backfill.importing.options import ImportOptions
from pipelines.backfill.wanted import IMPORT, Wanted, insisted_on, new_run, same_as_before
from pipelines.errors import StageError, TargetError, WarehouseError
from pipelines.migration import Migration
from pipelines.settings import WAREHOUSE
from pipelines.target.backfill_run import RUN, BackfillFolder, BackfillRun
from pipelines.target.describe import existing_tables
from pipelines.target.import_folder import ImportFolder, ImportPlan
from pipelines.target.import_objects import objects_per_bucket
from pipelines.warehouse.dataset import RECORDS, read_bucket
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.place import Place
from pipelines.warehouse.probe import probe_in


@dataclass(frozen=True)
class WantedImport(Wanted):
    """An import's tables are not there when it begins, and are when it goes on: a run is not told by them."""

    def run(self, run_id: str) -> BackfillRun:
        return new_run(self.migration, run_id, self.snapshot_id, (), None, {}, IMPORT)

    def is_emptied(self, begun: BackfillFolder) -> bool:  # noqa: ARG002
        """What is in its tables never tells whether it can go on: it asks after its imports."""
        return False


def begun_before(wanted: WantedImport, *, resume: bool) -> BackfillFolder | None:
    """As for the other modes. Raises StageError."""
    return insisted_on(wanted) if resume else same_as_before(wanted)


def require_room(wanted: WantedImport, run_id: str, options: ImportOptions) -> None:
    """Raises TargetError where a table is there already, UsageError and WarehouseError where the objects cannot be put
    where they are to go, StageError where the run's id is taken."""
    if (wanted.migration.folder.backfill(run_id) / RUN).is_file():
        raise StageError(f"backfill {run_id}: there is one already; begin one under another id")
    target = options.target(wanted.migration, run_id)
    _require_no_tables(wanted)
    _require_writable(target, options)


def begin(wanted: WantedImport, run_id: str, options: ImportOptions) -> BackfillFolder:
    """Where `require_room` has seen to it. Raises WarehouseError."""
    folder = BackfillFolder(wanted.migration.folder.backfill(run_id))
    run, target = wanted.run(run_id), options.target(wanted.migration, run_id)
    plan = ImportPlan(
        target=str(target),
        compression=options.kind,
        objects=_objects(wanted.migration.folder.records(run.snapshot_id) / RECORDS, run.selected),
        keep_objects=options.keep_objects,
    )
    ImportFolder(folder.path).begin(plan)
    folder.begin(run)
    return folder


def _require_writable(target: Place, options: ImportOptions) -> None:
    try:
        with probe_in(target) as probe:
            probe.write_atomically("")
    except WarehouseError as error:
        if options.s3 is None:
            raise
        raise WarehouseError(str(error).replace(WAREHOUSE, "--s3")) from error.__cause__


def _require_no_tables(wanted: WantedImport) -> None:
    found = existing_tables(wanted.migration.mapping, wanted.client)
    there = [name for name, description in found.items() if description is not None]
    if not there:
        return
    last = wanted.last
    unfinished = last is not None and not last.is_finished and last.run().mode == IMPORT
    hint = f", or go on with the unfinished import {last.path.name} by --resume" if unfinished and last else ""
    raise TargetError(
        f"table {', '.join(there)}: there already, and an import makes its tables itself; delete it if it is not "
        f"needed, or use --mode cold or live{hint}"
    )


def _objects(records_folder: Place, buckets: Sequence[int]) -> dict[str, int]:
    """How many each bucket has, per table."""
    sizes: Counter[str] = Counter()
    for one in each(lambda bucket: _sizes(records_folder, bucket), buckets, records_folder):
        sizes.update(one)
    return {table: objects_per_bucket(size, len(buckets)) for table, size in sorted(sizes.items())}


def _sizes(records_folder: Place, bucket: int) -> dict[str, int]:
    """Of its items, per table."""
    rows = read_bucket(records_folder, bucket, ("table", "size"))
    sums = rows.group_by("table").aggregate([("size", "sum")])
    return dict(zip(sums["table"].to_pylist(), pc.cast(sums["size_sum"], "int64").to_pylist(), strict=True))


def plan_of(migration: Migration, folder: BackfillFolder, options: ImportOptions) -> ImportPlan:
    """Of a run that was begun. Raises StageError where the call says something else."""
    plan = ImportFolder(folder.path).plan()
    options.require_planned(migration, folder.path.name, plan)
    return plan.model_copy(update={"keep_objects": plan.keep_objects or options.keep_objects})
