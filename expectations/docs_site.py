"""Makes the data docs ours: readable with the network off, and silent with it on.

Great Expectations' own pages load scripts and styles from content networks, and a logo whose address carries the
context's id. What they say is kept, what they load is not.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from expectations.docs_fragment import clean_sections
from expectations.render_html import environment
from expectations.report_data import ReportData
from expectations.validation import SuiteResult


def finish_site(site: Path, data: ReportData, results: tuple[SuiteResult, ...]) -> None:
    """Rewrites the pages in `site`, writes the index, and removes what nothing refers to any more."""
    run = f"{data.migration} {data.run_id}"
    pages = environment()
    for result in results:
        _rewrite(site / "expectations" / f"{result.suite}.html", f"Suite {result.suite}", "../", run, pages)
        up = "../" * result.page.count("/")
        _rewrite(site / result.page, f"Results of {result.suite}", up, run, pages)
    index = pages.get_template("docs_index.html").render(run=run, results=results)
    (site / "index.html").write_text(index, encoding="utf-8")
    shutil.rmtree(site / "static", ignore_errors=True)


def _rewrite(path: Path, title: str, home: str, run: str, pages: Environment) -> None:
    content = Markup(clean_sections(path.read_text(encoding="utf-8")))  # noqa: S704 - cleaned just here
    page = pages.get_template("docs_page.html").render(title=title, run=run, home=home, content=content)
    path.write_text(page, encoding="utf-8")
