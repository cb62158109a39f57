"""The stage: plans, hands out the segments, checks the accounts, writes the manifest."""

from __future__ import annotations

from contextlib import closing

from pipelines.dump.plan import DumpPlan, new_plan, unfinished
from pipelines.dump.segment import SEGMENTS, ReadSegment, Segment, SegmentCounts
from pipelines.errors import AccountsError, StageError
from pipelines.fanout import FanOut
from pipelines.items.bucket import DEFAULT_BUCKETS
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.model import Mapping
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.target.client import Address, dynamodb_client
from pipelines.warehouse.dataset import RECORDS, TOMBSTONES, count_rows
from pipelines.warehouse.hold import current_hold
from pipelines.warehouse.layout import MANIFEST, discard, new_id, read_manifest, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import DumpManifest, RecordsManifest
from pipelines.warehouse.place import Place
from pipelines.warehouse.snapshots import checked_id, open_snapshot


def dump_tables(
    migration: Migration,
    fan_out: FanOut,
    *,
    snapshot_id: str | None = None,
    dump_id: str | None = None,
    resume: bool = True,
    segments: int | None = None,
    buckets: int = DEFAULT_BUCKETS,
) -> DumpManifest:
    """Reads every table of the mapping. The number of buckets is that of the snapshot's records, if it has any.

    `snapshot_id`: whose schema names the item types; the newest unless given. `segments`: of each table; by its
    size unless given. `resume`: go on with an unfinished dump of the same plan, the one named or else the newest;
    a finished `dump_id` is then returned as it is.
    Raises StageError, TargetError, AccountsError.
    """
    snapshot = open_snapshot(migration.folder, snapshot_id, migration.mapping_hash)
    buckets = _buckets_of_records(migration, snapshot.id) or buckets
    with closing(dynamodb_client()) as client:
        address = Address.of(client)
        wanted = new_plan(migration, client, snapshot.id, buckets, segments)
    if dump_id is None and resume:
        dump_id = unfinished(migration.folder, wanted, any_segments=segments is None)
    dump_id = checked_id(dump_id) if dump_id else new_id()
    folder = migration.folder.dump(dump_id)
    with stage_lock(migration.folder.root, "dump", dump_id):
        plan = _begin(folder, wanted, resume=resume, any_segments=segments is None)
        if (folder / MANIFEST).is_file():
            return read_manifest(folder, DumpManifest, migration.mapping_hash)
        work = ReadSegment(
            address, folder, compile_mapping(migration.mapping, snapshot.catalog), plan.buckets, current_hold()
        )
        counts = _read(folder, _segments(migration.mapping, plan), work, fan_out)
        manifest = _manifest(migration, dump_id, plan, counts)
        _check_accounts(folder, manifest)
        write_manifest(folder, manifest)
    return manifest


def _buckets_of_records(migration: Migration, snapshot_id: str) -> int | None:
    folder = migration.folder.records(snapshot_id)
    if not (folder / MANIFEST).is_file():
        return None
    return read_manifest(folder, RecordsManifest, migration.mapping_hash).buckets


def _begin(folder: Place, wanted: DumpPlan, *, resume: bool, any_segments: bool) -> DumpPlan:
    """The plan to follow: the one that stands in the folder, or `wanted`, which then stands there."""
    if not resume and (folder / MANIFEST).is_file():
        raise StageError(f"dump {folder.name}: is finished, and is not made again; start a new one")
    if not resume:
        discard(folder)
    earlier = DumpPlan.read(folder)
    if earlier is None:
        wanted.write(folder)
    elif not wanted.goes_on(earlier, any_segments=any_segments):
        raise StageError(
            f"dump {folder.name}: was begun with another snapshot, mapping, table or segments; start a new one"
        )
    return earlier or wanted


def _segments(mapping: Mapping, plan: DumpPlan) -> list[Segment]:
    return [
        Segment(table, tuple(key.name for key in mapping.target.tables[table].keys), number, of)
        for table, of in plan.segments.items()
        for number in range(of)
    ]


def _read(folder: Place, segments: list[Segment], work: ReadSegment, fan_out: FanOut) -> list[SegmentCounts]:
    with Progress("dump", len(segments), "segments") as progress:

        def show() -> None:
            progress.advance(len((folder / SEGMENTS).files(".json")) - progress.done)

        return fan_out(segments, work, stop_flag=folder / ".stop", on_poll=show)


def _manifest(migration: Migration, dump_id: str, plan: DumpPlan, counts: list[SegmentCounts]) -> DumpManifest:
    return DumpManifest(
        migration=migration.mapping.migration,
        mapping_hash=migration.mapping_hash,
        id=dump_id,
        started_at=plan.started_at,
        taken="scan",
        snapshot_id=plan.snapshot_id,
        segments=sum(plan.segments.values()),
        buckets=plan.buckets,
        tables={table: sum(one.items for one in counts if one.table == table) for table in plan.segments},
        items=sum(one.items for one in counts),
        tombstones=sum(one.tombstones for one in counts),
        unmapped=sum(one.unmapped for one in counts),
    )


def _check_accounts(folder: Place, manifest: DumpManifest) -> None:
    """The segments' counts against the rows that the files really hold."""
    for what, name, counted in (("items", RECORDS, manifest.items), ("tombstones", TOMBSTONES, manifest.tombstones)):
        rows = count_rows(folder / name, range(manifest.buckets))
        if rows != counted:
            raise AccountsError(
                f"dump {manifest.id}: the segments counted {counted:,} {what}, the files hold {rows:,}; "
                f"remove {folder} and run it again"
            )
