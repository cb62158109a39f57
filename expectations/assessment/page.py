"""The page of an assessment as one HTML file: no script, no request, styles inside."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment

from expectations.assessment import figures
from expectations.assessment.overview import BAR, OPEN
from expectations.assessment.shown_patterns import conditions
from expectations.assessment.view import view_of
from expectations.assessment.words import STATEMENTS_FROM
from expectations.display import cut, visible
from expectations.render_html import environment
from expectations.words import counted
from pipelines.assess.design import Design
from pipelines.assess.evidence import Evidence
from pipelines.assess.patterns import Patterns
from pipelines.assess.summary import CLASS_NAMES

_STATEMENT = 4_000
_SHORT = 110
_REASON = 600


def assessment_page(evidence: Evidence, patterns: Patterns, design: Design | None) -> str:
    """Its links lead to the JSON files beside it. Raises MappingError where a mapping of the design is none."""
    return (
        _pages()
        .get_template("assessment/page.html")
        .render(
            view=view_of(evidence, patterns, design),
            class_names=CLASS_NAMES,
            statements_from=STATEMENTS_FROM[evidence.statements.source],
            bar=BAR,
            open_tables=OPEN,
            gib=2**30,
        )
    )


@cache
def _pages() -> Environment:
    """Once a process: its templates take longer to be compiled than to be filled."""
    pages = environment()
    pages.filters |= {
        "seen": lambda text: cut(str(text)),
        "said": lambda text: cut(str(text), _REASON),
        "short": lambda text: _one_line(text, _SHORT),
        "statement": lambda text: cut(text, _STATEMENT),
        "yaml": lambda text: "\n".join(visible(line) for line in text.splitlines()),
        "size": figures.size,
        "signed": figures.signed,
        "signed_size": figures.signed_size,
        "usd": figures.usd,
        "share": figures.share,
        "figure": figures.number,
        "rate": figures.rate,
        "of": counted,
        "duration": figures.duration,
        "conditions": conditions,
    }
    return pages


def _one_line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return visible(line if len(line) <= limit else f"{line[: limit - 1]}…")
