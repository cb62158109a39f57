"""Gathers what a report says from the manifests of a finished diff and from its differences."""

from __future__ import annotations

from expectations.accounts import accounts_of
from expectations.differences import SAMPLES_PER_VERDICT, read_summary, scan_differences
from expectations.display import cut, visible
from expectations.repair_command import repair_command
from expectations.report_data import (
    ItemTypeVerdicts,
    PathCount,
    ReportData,
    StageRun,
    Term,
    VerdictCount,
)
from expectations.samples import samples_of
from expectations.summary import summary_of
from expectations.unchecked import unchecked_of
from expectations.words import BREAKS_CONSISTENCY, VERDICTS
from pipelines.diff.account import DiffSummary
from pipelines.diff.differences import DIFFERENCES
from pipelines.diff.standing import Standing, standing_of_run
from pipelines.errors import StageError
from pipelines.mapping.compile import compile_mapping
from pipelines.migration import Migration
from pipelines.warehouse.dataset import REJECTS
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import (
    BackfillManifest,
    DiffManifest,
    DumpManifest,
    Manifest,
    RecordsManifest,
    SnapshotManifest,
    Verdicts,
)


def gather_report(migration: Migration, run_id: str) -> ReportData:
    """Raises WarehouseError where a part is missing, StageError where one was made with another mapping."""
    folder, made_with = migration.folder, migration.mapping_hash
    diff = read_manifest(folder.diff(run_id), DiffManifest, made_with)
    records = read_manifest(folder.records(diff.snapshot_id), RecordsManifest, made_with)
    snapshot = read_manifest(folder.snapshot(diff.snapshot_id), SnapshotManifest, made_with)
    dump = read_manifest(folder.dump(diff.dump_id), DumpManifest, made_with)
    backfill = _backfill_before(migration, diff)
    plan = compile_mapping(migration.mapping, snapshot.catalog)
    scan = scan_differences(folder.diff(run_id) / DIFFERENCES)
    if scan.rows != diff.differences:
        raise StageError(
            f"{folder.diff(run_id)}: {scan.rows:,} differences on disk, {diff.differences:,} in the manifest; "
            "run `crossover diff` again"
        )
    summary = read_summary(folder.diff(run_id))
    return ReportData(
        migration=diff.migration,
        run_id=run_id,
        mapping_hash=diff.mapping_hash,
        crossover=diff.crossover,
        mode=diff.mode,
        source=visible(snapshot.source),
        coverage=diff.coverage,
        consistent=diff.consistent,
        summary=summary_of(diff),
        reasons=tuple(visible(reason) for reason in diff.reasons),
        flow=_flow(records, backfill, dump, diff),
        verdicts=_verdict_counts(diff.verdicts),
        item_types=_item_types(diff),
        unchecked=unchecked_of(plan, snapshot, records, dump, diff),
        reject_reasons=tuple(Term(reason, count) for reason, count in records.reject_reasons.items()),
        accounts=accounts_of(records, backfill, dump, diff),
        path_counts=_path_counts(summary),
        other_places=summary.other_attributes,
        samples=samples_of(scan, plan, folder.records(diff.snapshot_id)),
        samples_per_verdict=SAMPLES_PER_VERDICT,
        differences=diff.differences,
        differences_folder=str(folder.diff(run_id) / DIFFERENCES),
        rejects_folder=str(folder.records(diff.snapshot_id) / REJECTS),
        stages=_stages(snapshot, records, backfill, dump, diff),
        judged_again=diff.judged_again,
        undecided=standing_of_run(diff) is Standing.UNDECIDED,
        repair_command=repair_command(migration, diff),
    )


def _backfill_before(migration: Migration, diff: DiffManifest) -> BackfillManifest | None:
    """The newest backfill of the mapping that had finished when the diff began; None where there was none."""
    folder = migration.folder
    for run_id in reversed(folder.finished("backfills")):
        backfill = read_manifest(folder.backfill(run_id), BackfillManifest)
        if backfill.mapping_hash == migration.mapping_hash and backfill.finished_at <= diff.started_at:
            return backfill
    return None


def _verdict_counts(verdicts: Verdicts) -> tuple[VerdictCount, ...]:
    """Those that occurred, and those that never may."""
    return tuple(
        VerdictCount(verdict, words, getattr(verdicts, verdict), verdict in BREAKS_CONSISTENCY)
        for verdict, words in VERDICTS.items()
        if getattr(verdicts, verdict) or verdict in BREAKS_CONSISTENCY or verdict == "match"
    )


def _item_types(diff: DiffManifest) -> tuple[ItemTypeVerdicts, ...]:
    shown = [count.verdict for count in _verdict_counts(diff.verdicts)]
    return tuple(
        ItemTypeVerdicts(visible(name), tuple(getattr(verdicts, verdict) for verdict in shown))
        for name, verdicts in diff.item_types.items()
    )


def _flow(
    records: RecordsManifest, backfill: BackfillManifest | None, dump: DumpManifest, diff: DiffManifest
) -> tuple[Term, ...]:
    return (
        Term("root rows", sum(counts.rows for counts in records.item_types.values())),
        Term("records", records.records),
        *([] if backfill is None else [Term("written", backfill.written)]),
        Term("in DynamoDB", dump.items),
        Term("compared", diff.union),
    )


def _path_counts(summary: DiffSummary) -> tuple[PathCount, ...]:
    return tuple(
        PathCount(visible(one.item_type), cut(one.path), one.kind.value, one.count, one.accepted)
        for one in summary.attributes
    )


def _stages(*manifests: Manifest | None) -> tuple[StageRun, ...]:
    return tuple(StageRun(one.stage, one.id, one.started_at, one.finished_at) for one in manifests if one is not None)
