"""The stage: checks that the two sides can be compared, hands out the buckets, adds up, decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pipelines.diff.account import BUCKETS, BucketAccount, DiffSummary, by_item_type, top_attributes, total
from pipelines.diff.again import Again, JudgedAgain, judge_again, source_moment
from pipelines.diff.bucket import CompareBucket
from pipelines.diff.judged_bucket import JudgeBucket
from pipelines.diff.plan import DiffPlan, begin, unfinished
from pipelines.diff.sample import counts_within, sampled_buckets, too_few
from pipelines.diff.sensitive import Sensitive
from pipelines.diff.sides import KnownRows, SideCounts
from pipelines.diff.standing import reasons_against
from pipelines.errors import AccountsError, StageError
from pipelines.fanout import FanOut, slots
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.key_source import KeyReader
from pipelines.mapping.plan import MigrationPlan
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.source.drift import require_same_schema
from pipelines.source.ledger.masters import Phase
from pipelines.warehouse.hold import current_hold
from pipelines.warehouse.layout import MANIFEST, checked_id, new_id, read_manifest, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import DiffManifest, DumpManifest, RecordsManifest, SnapshotManifest, Verdicts
from pipelines.warehouse.place import Place
from pipelines.warehouse.snapshots import open_snapshot

COMPARED = "compared"
SUMMARY = "summary.json"
TASKS_PER_SLOT = 4
NO_LEDGER, VERSION, LEDGER = "no_ledger", "version", "ledger"


@dataclass(frozen=True)
class _Sides:
    snapshot: SnapshotManifest
    records: RecordsManifest
    dump: DumpManifest


def run_diff(
    migration: Migration,
    fan_out: FanOut,
    *,
    snapshot_id: str | None = None,
    dump_id: str | None = None,
    run_id: str | None = None,
    sample: Decimal | None = None,
    again: Again | None = None,
) -> DiffManifest:
    """Compares the records of a snapshot with a dump; the newest of each unless given. `sample`: no more than this
    share of the buckets, above 0 and up to 1. `again`: the source, where differences can be judged by reading again.

    Goes on with an unfinished run of the same two; a finished `run_id` is returned as it is.
    Raises StageError where the two cannot be compared, AccountsError where the counts do not balance.
    """
    sides = _sides(migration, snapshot_id, dump_id)
    require_same_schema(migration.mapping, migration.folder, sides.snapshot.id)
    wanted = DiffPlan(
        snapshot_id=sides.records.snapshot_id,
        dump_id=sides.dump.id,
        mapping_hash=migration.mapping_hash,
        records_finished_at=sides.records.finished_at,
        dump_finished_at=sides.dump.finished_at,
        started_at=datetime.now(UTC),
        compare=_compare_rules(migration),
        sampled=None if sample is None else sampled_buckets(sample, sides.records.buckets),
        judged_at_most=None if again is None else again.at_most,
    )
    run_id = checked_id(run_id or unfinished(migration.folder, wanted) or new_id())
    folder = migration.folder.diff(run_id)
    with stage_lock(migration.folder.root, "diff", run_id):
        plan = begin(folder, wanted)
        if (folder / MANIFEST).is_file():
            return read_manifest(folder, DiffManifest, migration.mapping_hash)
        work = _work(migration, folder if again is None else folder / COMPARED, sides, again is not None)
        compared = range(work.buckets) if plan.sampled is None else plan.sampled
        moment = None if again is None else source_moment(again, sides.snapshot)
        judged = JudgedAgain(_compare(work, compared, fan_out), "the source's URL is not set")
        if again is not None:
            judging = JudgeBucket(folder, work.folder, work.sensitive, work.compare, work.hold)
            judged = judge_again(
                migration, again, sides.snapshot, sides.dump.finished_at, judged.accounts, judging, moment
            )
        manifest = _manifest(migration, run_id, plan, sides, judged)
        _check_accounts(manifest, counts_within(compared, sides.records, sides.dump, work.source, work.target))
        _write_summary(folder, manifest, judged.accounts)
        write_manifest(folder, manifest)
        (folder / COMPARED).remove_tree()
    return manifest


def _sides(migration: Migration, snapshot_id: str | None, dump_id: str | None) -> _Sides:
    folder, mapping_hash = migration.folder, migration.mapping_hash
    if snapshot_id is None:
        snapshot_id = folder.latest("records", "run `crossover records` first")
    if dump_id is None:
        dump_id = folder.latest("dumps", "run `crossover dump` first")
    checked_id(snapshot_id)
    checked_id(dump_id)
    sides = _Sides(
        open_snapshot(folder, snapshot_id, mapping_hash),
        read_manifest(folder.records(snapshot_id), RecordsManifest, mapping_hash),
        read_manifest(folder.dump(dump_id), DumpManifest, mapping_hash),
    )
    if sides.records.buckets != sides.dump.buckets:
        raise StageError(
            f"records {snapshot_id} have {sides.records.buckets} buckets, dump {dump_id} has {sides.dump.buckets}: "
            "they cannot be compared; run `crossover dump` again"
        )
    if sides.dump.started_at < sides.snapshot.finished_at:
        # the target must be read after the source, or what was written between the two looks wrong
        raise StageError(
            f"dump {dump_id} was begun before snapshot {snapshot_id} was taken: "
            "they cannot be compared; run `crossover dump` again"
        )
    return sides


def _work(migration: Migration, folder: Place, sides: _Sides, judged_again: bool) -> CompareBucket:
    plan = compile_mapping(migration.mapping, sides.snapshot.catalog)
    return CompareBucket(
        folder=folder,
        source=migration.folder.records(sides.records.snapshot_id),
        target=migration.folder.dump(sides.dump.id),
        buckets=sides.records.buckets,
        has_rejects=sides.records.rejects > 0,
        sensitive={item.name: Sensitive(item.sensitive) for item in plan.items},
        compare={item.name: item.compare for item in plan.items if item.compare},
        ledger=_known_rows(migration, plan, sides.snapshot),
        hold=current_hold(),
        versioned=migration.mapping.versioned,
        judged_again=judged_again,
    )


def _known_rows(migration: Migration, plan: MigrationPlan, snapshot: SnapshotManifest) -> KnownRows | None:
    ledger = snapshot.ledger
    if ledger is None:
        return None
    return KnownRows(
        files=(migration.folder.snapshot(snapshot.id) / ledger.file,) if ledger.known else (),
        readers={item.name: KeyReader(item) for item in plan.items if item.name in ledger.item_types},
        first_version=ledger.first_version,
        next_epoch=ledger.next_epoch,
        marked=frozenset(ledger.marked),
    )


def _compare_rules(migration: Migration) -> dict[str, dict[str, Any]]:
    return {
        name: rules
        for name, item in migration.mapping.items.items()
        if (rules := item.compare.model_dump(mode="json", exclude_defaults=True))
    }


def _compare(work: CompareBucket, compared: Sequence[int], fan_out: FanOut) -> list[BucketAccount]:
    with Progress("diff", len(compared), "buckets") as progress:

        def show() -> None:
            progress.advance(len((work.folder / BUCKETS).files(".json")) - progress.done)

        # a task costs Spark about as long as a small bucket's join: neighbours share one
        at_once = max(1, min(len(compared), TASKS_PER_SLOT * slots(fan_out)))
        return fan_out(compared, work, stop_flag=work.folder / ".stop", on_poll=show, at_once=at_once)


def _manifest(migration: Migration, run_id: str, plan: DiffPlan, sides: _Sides, judged: JudgedAgain) -> DiffManifest:
    accounts = judged.accounts
    item_types = by_item_type(accounts, migration.mapping.items)
    verdicts = total(item_types.values())
    checks = migration.mapping.checks
    late, left = _late(migration, judged, item_types), sum(one.not_judged_again for one in accounts)
    reasons = reasons_against(
        verdicts,
        checks.thresholds.rejected,
        checks.thresholds.accepted,
        pending_passes=judged.lag_seconds is not None and not late and not left,
    )
    reasons += late
    if judged.reverse is not None and judged.reverse.resync is not None:
        reasons = (
            *reasons,
            f"what was written in DynamoDB may not all be applied ({judged.reverse.resync}); "
            "run `crossover relay … --reverse --resync`",
        )
    reasons += too_few(len(accounts), sides.records.buckets, checks.least_coverage)
    if sides.snapshot.gap:
        reasons = (*reasons, f"capture cannot be relied on: {sides.snapshot.uncaptured}")
    if reasons and left:
        reasons = (*reasons, f"{left:,} of these verdicts are the snapshot's, not judged again: {judged.because}")
    return DiffManifest(
        migration=migration.mapping.migration,
        mapping_hash=migration.mapping_hash,
        id=run_id,
        started_at=plan.started_at,
        snapshot_id=plan.snapshot_id,
        dump_id=plan.dump_id,
        snapshot_started_at=sides.snapshot.started_at,
        epoch=sides.snapshot.ledger.epoch if sides.snapshot.ledger is not None else None,
        mode=_mode(migration, sides.snapshot),
        versioned=tuple(sorted(migration.mapping.versioned)),
        buckets=sides.records.buckets,
        coverage=len(accounts) / sides.records.buckets,
        source_records=sum(one.source_records for one in accounts),
        source_rejects=sum(one.source_rejects for one in accounts),
        target_items=sum(one.target_items for one in accounts),
        union=sum(one.union for one in accounts),
        verdicts=verdicts,
        item_types=item_types,
        differences=sum(one.differences for one in accounts),
        judged_again=sum(one.judged_again for one in accounts),
        not_judged_again=left,
        not_judged_because=judged.because if left else "",
        rejected_at_most=checks.thresholds.rejected,
        accepted_at_most=checks.thresholds.accepted,
        consistent=not reasons,
        reasons=reasons,
    )


def _late(migration: Migration, judged: JudgedAgain, item_types: Mapping[str, Verdicts]) -> tuple[str, ...]:
    """Why something that is pending has been so for too long, by who is to see to it: a relay, the reverse relay, or
    nobody, where a group is at dynamodb_only."""
    limit, reverse = migration.mapping.checks.lag_limit_seconds, judged.reverse
    followers = reverse.item_types if reverse is not None else frozenset()
    under_way = {name for name, verdicts in item_types.items() if verdicts.pending}
    late: list[str] = []
    for master in reverse.left if reverse is not None else ():
        if under_way.intersection(master.item_types):
            under_way.difference_update(master.item_types)
            late.append(
                f"RDS is not kept up with {master.group}, which is at {master.phase}; "
                f"`crossover writes … {master.group} {Phase.DYNAMODB_FIRST}` brings it up, then verify again"
            )
    pending = {name in followers for name in under_way}
    if False in pending and judged.lag_seconds is not None and judged.lag_seconds > limit:
        late.append(f"a change is undelivered for {judged.lag_seconds:,.0f} s, {limit:,} allowed")
    if True in pending and reverse is not None and reverse.seconds is None:
        late.append("what is written in DynamoDB is not applied: no reverse relay has caught up yet")
    if True in pending and reverse is not None and reverse.seconds is not None and reverse.seconds > limit:
        late.append(f"what is written in DynamoDB is not applied for {reverse.seconds:,.0f} s, {limit:,} allowed")
    return tuple(late)


def _mode(migration: Migration, snapshot: SnapshotManifest) -> str:
    if snapshot.ledger is not None:
        return LEDGER
    return VERSION if migration.mapping.versioned == migration.mapping.items.keys() else NO_LEDGER


def _check_accounts(manifest: DiffManifest, counts: SideCounts) -> None:
    """Nothing that the two stages before had counted is missing, and all of it has a verdict."""
    for what, read, counted in (
        ("source records", manifest.source_records, counts.source_records),
        ("rejects", manifest.source_rejects, counts.source_rejects),
        ("target items", manifest.target_items, counts.target_items),
        ("verdicts", manifest.verdicts.total(), manifest.union),
        ("differences", manifest.differences, manifest.union - manifest.verdicts.match),
    ):
        if read != counted:
            raise AccountsError(f"diff {manifest.id}: {read:,} {what}, there should be {counted:,}")


def _write_summary(folder: Place, manifest: DiffManifest, accounts: Sequence[BucketAccount]) -> None:
    attributes, other_attributes = top_attributes(accounts)
    summary = DiffSummary(
        migration=manifest.migration,
        run_id=manifest.id,
        attributes=attributes,
        other_attributes=other_attributes,
        **manifest.model_dump(include=set(DiffSummary.model_fields) & set(DiffManifest.model_fields) - {"migration"}),
    )
    (folder / SUMMARY).write_atomically(summary.model_dump_json(indent=2) + "\n")
