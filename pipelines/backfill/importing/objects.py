"""Makes the objects of a run that are not there yet, and sees that exactly they are there before they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pipelines.errors import AccountsError, WarehouseError
from pipelines.progress import Progress, tell
from pipelines.target.backfill_run import BackfillFolder
from pipelines.target.import_folder import BucketObjects, ImportFolder, ImportPlan
from pipelines.target.import_objects import Compression, ImportBucket, write_objects
from pipelines.warehouse.dataset import count_rows
from pipelines.warehouse.manifest import RecordsManifest
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from pipelines.fanout import FanOut


def make_objects(
    folder: BackfillFolder,
    plan: ImportPlan,
    records_folder: Place,
    records: RecordsManifest,
    still_needed: Iterable[str],
    fan_out: FanOut,
) -> list[BucketObjects]:
    """Of all buckets. Those of tables that are still needed are there; others may have been removed.

    Raises WarehouseError where something else lies among them, AccountsError where they are not what the records'
    manifest says.
    """
    run, kept, needed = folder.run(), ImportFolder(folder.path), set(still_needed)
    _forget_removed(kept, plan, run.selected, needed)
    done = {one.bucket for one in kept.objects(run.selected)}
    left = [bucket for bucket in run.selected if bucket not in done]
    tasks = [
        ImportBucket(
            records_folder,
            folder.path,
            bucket,
            Place.of(plan.target),
            plan.objects,
            Compression(plan.compression),
            frozenset(records.bear_source),
        )
        for bucket in left
    ]
    with Progress("objects", count_rows(records_folder, left), "items") as progress:
        watch = _Watch(kept, left, progress)
        fan_out(tasks, write_objects, stop_flag=folder.stop_flag, on_poll=watch.look)
    made = kept.objects(run.selected)
    _require_all(run.id, made, records)
    _require_no_others(made, plan, needed)
    return made


def _forget_removed(kept: ImportFolder, plan: ImportPlan, buckets: Sequence[int], needed: set[str]) -> None:
    """They are written again."""
    done = kept.objects(buckets)
    if not done:
        return
    there = _there(plan, needed)
    gone = [one.bucket for one in done if any(part.table in needed and part.name not in there for part in one.objects)]
    if gone:
        tell(f"objects of {len(gone)} buckets are no longer in {plan.target}: they are written again")
    for bucket in gone:
        kept.forget_objects(bucket)


def _require_all(run_id: str, made: Sequence[BucketObjects], records: RecordsManifest) -> None:
    items = sum(one.items for one in made)
    if items != records.records:
        raise AccountsError(
            f"backfill {run_id}: the records' manifest says {records.records}, but the objects hold {items}; "
            "make the records again"
        )


def _require_no_others(made: Sequence[BucketObjects], plan: ImportPlan, needed: set[str]) -> None:
    """DynamoDB imports whatever lies below the prefix."""
    ours = {part.name for one in made for part in one.objects}
    for name in sorted(_there(plan, needed) - ours):
        raise WarehouseError(f"{plan.target}/{name}: not written by this run, and would be imported; remove it")


def _there(plan: ImportPlan, tables: Iterable[str]) -> set[str]:
    target = Place.of(plan.target)
    return {f"{table}/{file.name}" for table in tables for file in (target / table).files()}


class _Watch:
    def __init__(self, kept: ImportFolder, buckets: Sequence[int], progress: Progress) -> None:
        self._kept = kept
        self._open = set(buckets)
        self._progress = progress

    def look(self) -> None:
        for one in self._kept.objects(sorted(self._open)):
            self._open.discard(one.bucket)
            self._progress.advance(one.items)
