"""What a gate is: one condition of a step, judged by evidence alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pipelines.cutover.evidence import Evidence, Unknown
from pipelines.cutover.thresholds import Thresholds

Numbers: TypeAlias = Mapping[str, int | float]


@dataclass(frozen=True)
class Gate:
    """`said`: what was found, in one line; `remedy`: a command, or what else to do, where it is not passed."""

    name: str
    passed: bool
    said: str
    remedy: str = ""
    numbers: Numbers = field(default_factory=dict)

    @property
    def line(self) -> str:
        what = f"{self.name}: {self.said}"
        return what if self.passed or not self.remedy else f"{what}; {self.remedy}"


Rule: TypeAlias = Callable[[Evidence, Thresholds], Gate]


def judged(name: str, problems: list[str], said: str, remedy: str, numbers: Numbers | None = None) -> Gate:
    """Passed where there is no problem; else all of them are told."""
    return Gate(
        name, not problems, "; ".join(problems) if problems else said, remedy if problems else "", numbers or {}
    )


def unknown(name: str, why: Unknown, remedy: str) -> Gate:
    return Gate(name, False, why.why, why.remedy or remedy)


def command(evidence: Evidence, *words: str) -> str:
    """`crossover <words>`, with the mapping's file after the first."""
    first, *rest = words
    return f"`{' '.join(['crossover', first, evidence.mapping, *rest])}`"
