"""Warnings of all mappings, by kind, those first that stop a migration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from expectations.assessment.figures import named
from expectations.assessment.words import WARNINGS, WarningWords
from pipelines.assess.design import DesignWarning, Judged

MOST = 100
"""Warnings of a kind that the page shows; design.json has all."""


@dataclass(frozen=True)
class ShownWarning:
    """`mappings`: names of those that it is about, none where there is one mapping or it is about all. `pattern`: the
    id of one that the page shows, where the text began with it, and `text` what came after; "" else."""

    about: str
    pattern: str
    text: str
    figures: tuple[tuple[str, str], ...]
    mappings: tuple[str, ...]


@dataclass(frozen=True)
class WarningGroup:
    """`count`: of all, `more` of them not shown."""

    words: WarningWords
    shown: tuple[ShownWarning, ...]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.shown)


def warning_groups(mappings: Sequence[Judged], shown_patterns: Collection[str]) -> tuple[WarningGroup, ...]:
    """In the order of WARNINGS; kinds without a warning are left out. `shown_patterns`: ids of those that the page
    shows."""
    names: dict[str, list[str]] = {}
    warnings: dict[str, DesignWarning] = {}
    for judged in mappings:
        for one in judged.warnings:
            key = one.model_dump_json()
            warnings[key] = one
            names.setdefault(key, []).append(judged.name)
    groups = []
    for kind, words in WARNINGS.items():
        keys = [key for key, one in warnings.items() if one.kind is kind]
        if keys:
            shown = tuple(_shown(warnings[key], names[key], len(mappings), shown_patterns) for key in keys[:MOST])
            groups.append(WarningGroup(words, shown, len(keys)))
    return tuple(groups)


def _shown(warning: DesignWarning, names: list[str], of: int, shown_patterns: Collection[str]) -> ShownWarning:
    figures = tuple((name.replace("_", " "), named(name, value)) for name, value in warning.evidence.items())
    start, colon, rest = warning.text.partition(":")
    pattern = start if start in shown_patterns else ""
    text = colon + rest if pattern else warning.text
    return ShownWarning(warning.about, pattern, text, figures, tuple(names) if len(names) < of else ())
