"""The stage: plans, hands out the segments or the exports' data files, checks the accounts, writes the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from pipelines.dump.exporting.options import ExportOptions
from pipelines.dump.plan import DumpPlan, described, unfinished
from pipelines.dump.segment import SEGMENTS, ReadSegment, SegmentCounts
from pipelines.dump.source import Pieces, ScanSource, Source
from pipelines.errors import AccountsError, StageError, UsageError
from pipelines.fanout import FanOut, slots
from pipelines.items.bucket import DEFAULT_BUCKETS
from pipelines.mapping.compile import compile_mapping
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.target.capacity import Capacity, Kind, Units
from pipelines.target.client import Address, dynamodb_client
from pipelines.warehouse.dataset import RECORDS, TOMBSTONES, count_rows
from pipelines.warehouse.hold import current_hold
from pipelines.warehouse.layout import MANIFEST, checked_id, discard, new_id, read_manifest, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import DumpManifest, RecordsManifest
from pipelines.warehouse.place import Place
from pipelines.warehouse.snapshots import open_snapshot

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


def dump_tables(
    migration: Migration,
    fan_out: FanOut,
    *,
    snapshot_id: str | None = None,
    dump_id: str | None = None,
    resume: bool = True,
    segments: int | None = None,
    buckets: int = DEFAULT_BUCKETS,
    rcu: str | int | None = None,
    exporting: ExportOptions | None = None,
) -> DumpManifest:
    """Reads every table of the mapping. The number of buckets is that of the snapshot's records, if it has any.

    `snapshot_id`: whose schema names the item types; the newest unless given. `segments`: of each table; by its
    size unless given. `resume`: go on with an unfinished dump of the same plan, the one named or else the newest;
    a finished `dump_id` is then returned as it is. `rcu`: read capacity units a second of each table, or a share of
    what it has, `50%`; for this call only. `exporting`: the tables are not scanned, but read from exports of them,
    which are begun and awaited where none are given.
    Raises StageError, TargetError, AccountsError, UsageError, and KeyboardInterrupt, which says that exports under way
    go on.
    """
    limit = None if rcu is None else Units.parse(rcu, Kind.READ)
    if exporting is not None and limit is not None:
        raise UsageError("--rcu: an export uses no read capacity; leave it out")
    snapshot = open_snapshot(migration.folder, snapshot_id, migration.mapping_hash)
    with closing(dynamodb_client()) as client:
        tables = described(migration.mapping, client)
        capacity = None if limit is None else Capacity.to_read(limit, tables)
        source: Source = ScanSource(migration.mapping, tables, segments, capacity)
        if exporting is not None:
            from pipelines.dump.exporting.source import ExportSource  # a scan needs nothing of it

            source = ExportSource(migration, client, tables, snapshot, exporting)
        wanted = DumpPlan(
            snapshot_id=snapshot.id,
            mapping_hash=migration.mapping_hash,
            buckets=_buckets_of_records(migration, snapshot.id) or buckets,
            **asdict(source.planned()),
        )
        if dump_id is None and resume:
            dump_id = unfinished(migration.folder, wanted, any_segments=segments is None)
        dump_id = checked_id(dump_id) if dump_id else new_id()
        folder = migration.folder.dump(dump_id)
        with stage_lock(migration.folder.root, "dump", dump_id):
            plan = _begin(folder, wanted, resume=resume, any_segments=segments is None)
            if (folder / MANIFEST).is_file():
                return read_manifest(folder, DumpManifest, migration.mapping_hash)
            pieces = source.pieces(folder, plan)
            work = ReadSegment(
                Address.of(client),
                folder,
                compile_mapping(migration.mapping, snapshot.catalog),
                plan.buckets,
                current_hold(),
                item_bytes=_item_bytes(tables),
            )
            counts = _read(pieces, work, fan_out, capacity)
            manifest = _manifest(migration, dump_id, plan, pieces, counts)
            _check_accounts(folder, manifest)
            write_manifest(folder, manifest)
    return manifest


def _buckets_of_records(migration: Migration, snapshot_id: str) -> int | None:
    folder = migration.folder.records(snapshot_id)
    if not (folder / MANIFEST).is_file():
        return None
    return read_manifest(folder, RecordsManifest, migration.mapping_hash).buckets


def _item_bytes(tables: Mapping[str, TableDescriptionTypeDef]) -> dict[str, float]:
    """Of each table that DynamoDB has counted: it does so every six hours."""
    counted = {name: (table.get("TableSizeBytes", 0), table.get("ItemCount", 0)) for name, table in tables.items()}
    return {name: size / items for name, (size, items) in counted.items() if size and items}


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
            f"dump {folder.name}: was begun with another snapshot, mapping, table, segments or exports; start a new one"
        )
    return earlier or wanted


def _read(pieces: Pieces, work: ReadSegment, fan_out: FanOut, capacity: Capacity | None) -> list[SegmentCounts]:
    segments, folder = pieces.segments, work.folder
    at_once = None
    if capacity is not None:
        at_once = capacity.tasks(len(segments), slots(fan_out))
        work = replace(work, allowance=capacity.allowance(str(folder), at_once))
        segments = sorted(segments, key=lambda one: one.number / one.of)  # every task has its share of every table
    with Progress("dump", len(segments), "files" if pieces.exports else "segments") as progress:

        def show() -> None:
            progress.advance(len((folder / SEGMENTS).files(".json")) - progress.done)

        return fan_out(segments, work, stop_flag=folder / ".stop", on_poll=show, at_once=at_once)


def _manifest(
    migration: Migration, dump_id: str, plan: DumpPlan, pieces: Pieces, counts: Sequence[SegmentCounts]
) -> DumpManifest:
    return DumpManifest(
        migration=migration.mapping.migration,
        mapping_hash=migration.mapping_hash,
        id=dump_id,
        started_at=pieces.read_at,
        taken=plan.taken,
        snapshot_id=plan.snapshot_id,
        segments=len(pieces.segments),
        buckets=plan.buckets,
        tables={table: sum(one.items for one in counts if one.table == table) for table in plan.segments},
        items=sum(one.items for one in counts),
        tombstones=sum(one.tombstones for one in counts),
        unmapped=sum(one.unmapped for one in counts),
        exports=dict(pieces.exports),
    )


def _check_accounts(folder: Place, manifest: DumpManifest) -> None:
    """The segments' counts against the rows that the files really hold, and against what exports say they hold."""
    for what, name, counted in (("items", RECORDS, manifest.items), ("tombstones", TOMBSTONES, manifest.tombstones)):
        rows = count_rows(folder / name, range(manifest.buckets))
        if rows != counted:
            raise AccountsError(
                f"dump {manifest.id}: the segments counted {counted:,} {what}, the files hold {rows:,}; "
                f"remove {folder} and run it again"
            )
    exported = sum(one.items for one in manifest.exports.values())
    if manifest.exports and exported != manifest.items + manifest.tombstones:
        raise AccountsError(
            f"dump {manifest.id}: the exports say {exported:,} items, {manifest.items + manifest.tombstones:,} were "
            f"read; remove {folder} and run it again"
        )
