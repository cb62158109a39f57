"""The report of a finished diff: a page, the same as text and JSON, and the data docs of a second opinion."""

from __future__ import annotations

import shutil
from pathlib import Path

from expectations.docs_site import finish_site
from expectations.gather import gather_report
from expectations.render_html import render_html
from expectations.render_json import render_json
from expectations.render_text import render_text
from expectations.report_data import ReportData
from expectations.validation import validate
from pipelines.errors import WarehouseError
from pipelines.migration import Migration
from pipelines.warehouse.layout import new_id
from pipelines.warehouse.lock import stage_lock

PAGE = "index.html"


def write_report(migration: Migration, run_id: str) -> Path:
    """Writes `reports/<run_id>/` anew and returns its page.

    The folder holds `index.html`, `report.txt`, `report.json` and `data_docs/`, nothing that needs a network, and
    neither a sensitive value nor a sensitive key. Raises WarehouseError or StageError where the diff or what it
    rests on is missing or of another mapping, AccountsError where an account does not balance, and StageError
    where Great Expectations disagrees with the diff.
    """
    data = gather_report(migration, run_id)
    folder = migration.folder.report(run_id)
    with stage_lock(migration.folder.root, "report", run_id):
        for stale in folder.parent.glob(f".{run_id}.*"):  # of a run that was killed
            shutil.rmtree(stale, ignore_errors=True)
        draft = folder.with_name(f".{run_id}.{new_id()}")
        try:
            draft.mkdir(mode=0o700, parents=True)
            _write(draft, data, migration.mapping.checks.thresholds.rejected)
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
        except OSError as error:
            raise WarehouseError(f"report {folder}: cannot be written ({error.strerror})") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder / PAGE


def _write(folder: Path, data: ReportData, rejected_at_most: int) -> None:
    site = folder / "data_docs"
    finish_site(site, data, validate(data, rejected_at_most, site))
    (folder / PAGE).write_text(render_html(data), encoding="utf-8")
    (folder / "report.txt").write_text(render_text(data), encoding="utf-8")
    (folder / "report.json").write_text(render_json(data), encoding="utf-8")
