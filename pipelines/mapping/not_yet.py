"""Keys of the grammar that have no effect yet: refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.mapping.origin import Path

NOT_YET: tuple[tuple[str, ...], ...] = (("retention",),)
"""Paths in the file; `*` is any name."""


def not_yet_problems(values: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    for pattern in NOT_YET:
        for path in _matches(values, pattern, ()):
            yield path, "not supported yet; take it out"


def _matches(value: Any, pattern: tuple[str, ...], path: Path) -> Iterator[Path]:
    if not pattern:
        yield path
        return
    if isinstance(value, dict):
        for name in list(value) if pattern[0] == "*" else [pattern[0]] if pattern[0] in value else []:
            yield from _matches(value[name], pattern[1:], (*path, name))
