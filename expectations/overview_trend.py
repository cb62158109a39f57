"""The last runs of a migration, for its trend."""

from __future__ import annotations

from collections.abc import Sequence

from expectations.links import PAGE, link_to
from expectations.runs import Run
from expectations.trend import TrendRun
from pipelines.diff.standing import Standing, standing_of_run, undecided, wrong
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.layout import MigrationFolder
from pipelines.warehouse.manifest import DiffManifest


def trend_runs(folder: MigrationFolder, runs: Sequence[Run]) -> list[TrendRun]:
    """In the order of `runs`."""
    return each(lambda run: _trend_run(folder, run), runs, folder.root)


def _trend_run(folder: MigrationFolder, run: Run) -> TrendRun:
    page = link_to(folder, "reports", run.id, PAGE) if (folder.report(run.id) / PAGE).is_file() else ""
    if not isinstance(run, DiffManifest):
        return TrendRun(run.id, Standing.UNREADABLE, page=page)
    return TrendRun(
        run_id=run.id,
        standing=standing_of_run(run),
        finished_at=run.finished_at,
        wrong=wrong(run.verdicts),
        undecided=undecided(run.verdicts),
        items=run.union,
        page=page,
    )
