"""Gathers what the page over all migrations says: from the manifests of their last runs, and from the newest reports.

No mapping is needed for it: what is masked in a run's report is masked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version

from expectations.cutover_view import cutover_view
from expectations.display import visible
from expectations.overview_data import MigrationView, Overview
from expectations.overview_run import run_view
from expectations.overview_trend import trend_runs
from expectations.render_json import JSON, parse_json
from expectations.report_data import ReportData
from expectations.runs import Runs, is_migration, newest_runs
from expectations.trend import RUNS, trend_of
from pipelines.diff.standing import Standing, standing_of_run
from pipelines.errors import WarehouseError
from pipelines.warehouse.layout import MigrationFolder
from pipelines.warehouse.manifest import DiffManifest
from pipelines.warehouse.place import MissingError, Place


def gather_overview(warehouse: Place, made_at: datetime) -> Overview:
    """Of every migration in the warehouse. Raises WarehouseError where the warehouse itself cannot be read."""
    folders = [MigrationFolder(place) for place in warehouse.children() if place.is_dir()]
    views = [_migration(folder) for folder in folders if is_migration(folder)]
    order = list(Standing)
    return Overview(
        warehouse=visible(str(warehouse)),
        made_at=made_at,
        crossover=version("crossover"),
        migrations=tuple(sorted(views, key=lambda view: (order.index(view.standing), view.name))),
    )


def _migration(folder: MigrationFolder) -> MigrationView:
    runs = newest_runs(folder, RUNS)
    notes = list(_notes(runs))
    view = None
    if runs.newest is not None:
        report, problem = _report_of(folder, runs.newest.id)
        notes += [problem] if problem else []
        view = run_view(folder, runs.newest, report, runs.finished)
    cutover, problem = cutover_view(folder)
    notes += [problem] if problem else []
    return MigrationView(
        name=visible(folder.root.name),
        standing=_standing(runs),
        run=view,
        notes=tuple(visible(note) for note in notes),
        trend=trend_of(trend_runs(folder, runs.finished)),
        cutover=cutover,
    )


def _standing(runs: Runs) -> Standing:
    if not runs.finished:
        return Standing.UNVERIFIED
    last = runs.finished[-1]
    return standing_of_run(last) if isinstance(last, DiffManifest) else Standing.UNREADABLE


def _notes(runs: Runs) -> Iterator[str]:
    for run in runs.finished:
        if not isinstance(run, DiffManifest):
            yield f"Run {run.id} cannot be read: {run.problem}."
    for run_id in runs.unfinished:
        yield f"Run {run_id} was begun and has not finished; what is said here is older."


def _report_of(folder: MigrationFolder, run_id: str) -> tuple[ReportData | None, str]:
    """The report of a run, and why there is none."""
    again = f"make it with `crossover report MIGRATION.yaml --run {run_id}`"
    try:
        return parse_json((folder.report(run_id) / JSON).read_text()), ""
    except MissingError:
        return None, f"Run {run_id} has no report yet; {again}."
    except (WarehouseError, ValueError):
        return None, f"The report of run {run_id} cannot be read; {again}."
