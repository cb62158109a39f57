"""The report of a finished diff: a page, the same as text and JSON, and the data docs of a second opinion."""

from __future__ import annotations

import tempfile
from pathlib import Path

from expectations.docs_site import finish_site
from expectations.gather import gather_report
from expectations.links import PAGE
from expectations.overview import refresh_overview
from expectations.render_html import render_html
from expectations.render_json import JSON, render_json
from expectations.render_text import render_text
from expectations.report_data import ReportData
from expectations.validation import validate
from pipelines.errors import WarehouseError
from pipelines.migration import Migration
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.place import Place


def write_report(migration: Migration, run_id: str) -> Place:
    """Writes `reports/<run_id>/` anew, refreshes the page over all migrations, and returns the run's own page.

    The folder holds `index.html`, `report.txt`, `report.json` and `data_docs/`, nothing that needs a network, and
    neither a sensitive value nor a sensitive key. Raises WarehouseError or StageError where the diff or what it
    rests on is missing or of another mapping, AccountsError where an account does not balance, and StageError
    where Great Expectations disagrees with the diff.
    """
    data = gather_report(migration, run_id)
    folder = migration.folder.report(run_id)
    with (
        stage_lock(migration.folder.root, "report", run_id),
        tempfile.TemporaryDirectory(prefix="crossover-report-", ignore_cleanup_errors=True) as draft,
    ):
        try:
            _write(Path(draft), data, migration.mapping.checks.thresholds.rejected)
        except OSError as error:
            raise WarehouseError(f"report {folder}: cannot be written ({error.strerror})") from error
        publish(Path(draft), folder)
    refresh_overview(migration.folder.root.parent)
    return folder / PAGE


def publish(draft: Path, folder: Place) -> None:
    """Puts the files of a draft in place of what was there, the page last: without it there is no report."""
    (folder / PAGE).remove()
    folder.remove_tree()
    names = sorted(file.relative_to(draft).as_posix() for file in draft.rglob("*") if file.is_file())

    def put(name: str) -> None:
        with (folder / name).writing() as sink:
            sink.write((draft / name).read_bytes())

    each(put, [name for name in names if name != PAGE], folder)
    put(PAGE)


def _write(folder: Path, data: ReportData, rejected_at_most: int) -> None:
    site = folder / "data_docs"
    finish_site(site, data, validate(data, rejected_at_most, site))
    (folder / PAGE).write_text(render_html(data), encoding="utf-8")
    (folder / "report.txt").write_text(render_text(data), encoding="utf-8")
    (folder / JSON).write_text(render_json(data), encoding="utf-8")
