"""The report as one HTML page: no script, no request, styles inside."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from expectations.links import DATA_DOCS, FROM_RUN_TO_OVERVIEW
from expectations.overview_data import Overview
from expectations.report_data import ReportData
from expectations.words import KINDS, MODES, counted, sentence


def render_html(data: ReportData) -> str:
    """Links to the data docs beside it, at DATA_DOCS."""
    page = environment().get_template("report.html")
    return page.render(report=data, kinds=KINDS, modes=MODES, data_docs=DATA_DOCS, overview=FROM_RUN_TO_OVERVIEW)


def render_overview(data: Overview) -> str:
    """The page over all migrations. Its links lead to what lies beside it in the warehouse."""
    return environment().get_template("overview.html").render(overview=data, kinds=KINDS, modes=MODES)


def environment() -> Environment:
    """Everything that is put into a page is escaped, and a missing name is an error."""
    pages = Environment(
        loader=PackageLoader("expectations"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["count"] = lambda number: f"{number:,}"
    pages.filters["sentence"] = sentence
    pages.filters["counted"] = counted
    pages.filters["moment"] = lambda moment: f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    pages.filters["minute"] = lambda moment: f"{moment:%Y-%m-%d %H:%M} UTC"
    return pages
