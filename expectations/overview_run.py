"""The newest run of a migration as the page over all migrations shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile

from expectations.display import visible
from expectations.links import DATA_DOCS, PAGE, link_to
from expectations.overview_data import Details, ItemTypeView, RunView
from expectations.report_data import ReportData, Sample, SampleGroup, Term
from expectations.runs import Run
from expectations.summary import summary_of
from expectations.words import LET_PASS
from pipelines.diff.differences import DIFFERENCES
from pipelines.diff.standing import standing_of_item_type, wrong
from pipelines.judging.verdict import UNDECIDED, WRONG
from pipelines.warehouse.layout import MigrationFolder
from pipelines.warehouse.manifest import DiffManifest, Verdicts

SAMPLES_PER_VERDICT = 3
PATHS_PER_SAMPLE = 8
MOST_PATHS = 12


def run_view(folder: MigrationFolder, run: DiffManifest, report: ReportData | None, runs: Sequence[Run]) -> RunView:
    """`runs`: the last ones, oldest first, `run` among them."""
    return RunView(
        run_id=run.id,
        finished_at=run.finished_at,
        summary=summary_of(run),
        reasons=tuple(visible(reason) for reason in run.reasons),
        mode=run.mode,
        coverage=run.coverage,
        items=run.union,
        differences=run.differences,
        differences_folder=visible(str(folder.diff(run.id) / DIFFERENCES)),
        item_types=tuple(_item_type(name, verdicts, run, runs) for name, verdicts in run.item_types.items()),
        details=None if report is None else _details(folder, run.id, report),
    )


def _item_type(name: str, verdicts: Verdicts, run: DiffManifest, runs: Sequence[Run]) -> ItemTypeView:
    readable = [run for run in runs if isinstance(run, DiffManifest)]
    spoilt = list(takewhile(lambda run: wrong(run.item_types.get(name, Verdicts())) > 0, reversed(readable)))
    return ItemTypeView(
        item_type=visible(name),
        standing=standing_of_item_type(verdicts, run),
        items=verdicts.total(),
        equal=verdicts.match,
        wrong=_terms(verdicts, WRONG),
        undecided=_terms(verdicts, UNDECIDED),
        let_pass=_terms(verdicts, LET_PASS),
        wrong_since=_ended(spoilt),
        wrong_runs=len(spoilt),
    )


def _ended(newest_first: Sequence[DiffManifest]) -> datetime | None:
    return newest_first[-1].finished_at if newest_first else None


def _terms(verdicts: Verdicts, names: Iterable[str]) -> tuple[Term, ...]:
    return tuple(Term(str(name), count) for name in names if (count := getattr(verdicts, name)))


def _details(folder: MigrationFolder, run_id: str, report: ReportData) -> Details:
    shown = report.path_counts[:MOST_PATHS]
    return Details(
        page=link_to(folder, "reports", run_id, PAGE),
        data_docs=link_to(folder, "reports", run_id, DATA_DOCS),
        unchecked=report.unchecked,
        path_counts=shown,
        more_places=report.other_places + sum(one.places for one in report.path_counts[MOST_PATHS:]),
        samples=tuple(_bounded(group) for group in report.samples_by_verdict),
        repair_command=report.repair_command,
    )


def _bounded(group: SampleGroup) -> SampleGroup:
    shown = group.samples[:SAMPLES_PER_VERDICT]
    return replace(group, samples=tuple(_shorter(sample) for sample in shown))


def _shorter(sample: Sample) -> Sample:
    dropped = len(sample.paths[PATHS_PER_SAMPLE:])
    return replace(sample, paths=sample.paths[:PATHS_PER_SAMPLE], more_paths=sample.more_paths + dropped)
