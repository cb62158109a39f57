"""What a call asks for, and which run that is: one that was begun before, or a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.errors import StageError, TargetError, UsageError
from pipelines.migration import Migration
from pipelines.progress import tell
from pipelines.target.backfill_run import RUN, BackfillFolder, BackfillRun, newest_run, newest_unfinished
from pipelines.target.describe import has_items, identities
from pipelines.warehouse.layout import checked_id, read_manifest
from pipelines.warehouse.manifest import RecordsManifest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

COLD, LIVE, IMPORT = "cold", "live", "import"


def new_run(
    migration: Migration,
    run_id: str,
    snapshot_id: str | None,
    item_types: tuple[str, ...],
    buckets: Sequence[int] | None,
    targets: dict[str, str],
    mode: str | None = None,
) -> BackfillRun:
    """`mode`: unless given, `live` where the snapshot has versions, else `cold`."""
    if snapshot_id is None:
        snapshot_id = migration.folder.latest("records", "run `crossover records` first")
    snapshot = checked_id(snapshot_id)
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
        mode=mode or (LIVE if has_versions(migration, records, item_types) else COLD),
        mapping_hash=migration.mapping_hash,
        buckets=records.buckets,
        selected=tuple(chosen),
        item_types=tuple(sorted(set(item_types))),
        targets=targets,
        started_at=datetime.now(UTC),
    )


def has_versions(migration: Migration, records: RecordsManifest, item_types: tuple[str, ...]) -> bool:
    """Whether the records of these item types, of all where none is named, can be put beside other writers: by the
    ledger's versions, or all by those of a column."""
    return records.ledger is not None or migration.mapping.versioned.issuperset(item_types or migration.mapping.items)


@dataclass(frozen=True)
class Wanted:
    """What the call asks for."""

    migration: Migration
    client: DynamoDBClient
    snapshot_id: str | None
    item_types: tuple[str, ...]
    buckets: Sequence[int] | None
    mode: str | None = None

    def run(self, run_id: str) -> BackfillRun:
        targets = identities(self.migration.mapping, self.client)
        return new_run(self.migration, run_id, self.snapshot_id, self.item_types, self.buckets, targets, self.mode)

    def like(self, begun: BackfillRun) -> Wanted:
        """The same, what was left open being as it was in `begun`."""
        buckets = begun.selected if self.buckets is None else self.buckets
        return replace(
            self,
            snapshot_id=begun.snapshot_id,
            item_types=self.item_types or begun.item_types,
            buckets=buckets,
            mode=self.mode or begun.mode,
        )

    @property
    def last(self) -> BackfillFolder | None:
        return newest_run(self.migration.folder.root / "backfills")

    def is_emptied(self, begun: BackfillFolder) -> bool:
        """Whether what the run has written was deleted since."""
        accounts = begun.accounts(begun.run().selected)
        return any(account.written for account in accounts) and not _full_tables(self.migration, self.client)


def same_as_before(wanted: Wanted, *, or_finished: bool = False) -> BackfillFolder | None:
    """The last run, where it is unfinished, or may be finished, and writes the same."""
    last = wanted.last
    if last is None or (last.is_finished and not or_finished) or wanted.is_emptied(last):
        return None
    run = last.run()
    if _what(run) != _what(wanted.run(run.id)):
        return None
    _tell_begun(last)
    return last


def _tell_begun(folder: BackfillFolder) -> None:
    run = folder.run()
    state = "is finished; nothing is left to do" if folder.is_finished else "is unfinished: it goes on where it stopped"
    tell(f"backfill {run.id} of snapshot {run.snapshot_id} {state}")


def insisted_on(wanted: Wanted) -> BackfillFolder:
    """The last run, finished or not, where it may be gone on with. Raises StageError."""
    last = wanted.last
    if last is None:
        raise StageError("--resume: there is no backfill to go on with; leave it out to begin one")
    run = last.run()
    if not last.is_finished:
        _require_same(wanted, run)
        if wanted.is_emptied(last):
            raise StageError(f"{_cannot(run)}the tables have been emptied since it began; leave --resume out")
    elif _what(run) != _what(wanted.run(run.id)):
        raise StageError(
            f"--resume: the last backfill, {run.id} of snapshot {run.snapshot_id}, is finished, and wrote "
            "something else than is asked for now; leave it out to begin one"
        )
    else:
        _tell_begun(last)
    return last


def _require_same(wanted: Wanted, begun: BackfillRun) -> None:
    """Raises StageError where the unfinished run is not, or not any more, what is asked for."""
    cannot, start = _cannot(begun), "; empty the tables and start a new one, or use --force"
    if begun.mapping_hash != wanted.migration.mapping_hash:
        raise StageError(f"{cannot}the mapping changed since it began{start}")
    if wanted.snapshot_id not in (None, begun.snapshot_id):
        raise StageError(f"{cannot}it writes snapshot {begun.snapshot_id}, not {wanted.snapshot_id}{start}")
    now = wanted.like(begun).run(begun.id)
    if now.targets != begun.targets:
        raise StageError(f"{cannot}the tables are not those that it began to write; leave --resume out")
    if (now.buckets, now.records_finished_at) != (begun.buckets, begun.records_finished_at):
        raise StageError(f"{cannot}the records of snapshot {begun.snapshot_id} were made again since it began{start}")
    if _what(now) != _what(begun):
        raise StageError(f"{cannot}it writes other item types or buckets, or in another mode, than is asked for{start}")


def _cannot(begun: BackfillRun) -> str:
    return f"the unfinished backfill {begun.id} cannot be gone on with: "


def begin(wanted: Wanted, run_id: str, *, force: bool) -> BackfillFolder:
    run = wanted.run(run_id).model_copy(update={"forced": force})
    folder = BackfillFolder(wanted.migration.folder.backfill(run_id))
    if (folder.path / RUN).is_file():
        raise StageError(f"backfill {run_id}: there is one already; begin one under another id")
    if not force and run.mode == COLD:
        _require_empty(wanted.migration, wanted.client)
    folder.begin(run)
    return folder


def _what(run: BackfillRun) -> BackfillRun:
    """All of a run that decides what it writes."""
    return run.model_copy(update={"id": "", "forced": False, "started_at": datetime.min})


def _full_tables(migration: Migration, client: DynamoDBClient) -> list[str]:
    return [table for table in migration.mapping.target.tables if has_items(client, table)]


def _require_empty(migration: Migration, client: DynamoDBClient) -> None:
    full = _full_tables(migration, client)
    if not full:
        return
    unfinished = newest_unfinished(migration.folder.root / "backfills")
    hint = (
        f"go on with the unfinished run {unfinished.path.name} by --resume"
        if unfinished
        else "a cold backfill is for empty tables: empty them"
    )
    raise TargetError(f"table {', '.join(full)}: not empty; {hint}, or overwrite what is there by --force")
