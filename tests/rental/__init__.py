"""A second schema beside the shop's, with a workload of which each statement's class is written down by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.assess.patterns import PatternClass

SCHEMA = Path(__file__).parent / "schema.sql"
WORKLOAD = Path(__file__).parent / "workload.sql"

_CLASSES = frozenset(pattern.value for pattern in PatternClass)


@dataclass(frozen=True)
class Expected:
    """Of the statement that begins on `line`; `table` and `alternative` are empty where they do not matter."""

    line: int
    pattern: str
    table: str
    alternative: str


def expected_of(workload: Path) -> Iterator[Expected]:
    """From the comments: `-- CLASS [TABLE or * [ALTERNATIVE]]` in the line before a statement."""
    for number, line in enumerate(workload.read_text(encoding="utf-8").splitlines(), 1):
        words = line.removeprefix("-- ").split()
        if line.startswith("-- ") and words[0] in _CLASSES and len(words) <= 3:
            table, alternative = (*words[1:], "", "")[:2]
            yield Expected(number + 1, words[0], table.replace("*", ""), alternative)
