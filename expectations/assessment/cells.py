"""Text in a drawing: SVG neither wraps nor cuts it, so that its width is told before."""

from __future__ import annotations

import unicodedata

from expectations.display import visible

CELL = 7.3
"""Width of a letter of 12 px in a monospaced font, a little more than most have."""


def fit(text: str, cells: int) -> str:
    """The text, visible, or so much of its beginning as takes no more than `cells`, with `…`."""
    shown = visible(text)
    if width(shown) <= cells:
        return shown
    kept, used = [], 1
    for char in shown:
        used += _cells(char)
        if used > cells:
            break
        kept.append(char)
    return "".join(kept) + "…"


def width(text: str) -> int:
    """In cells; ideographs and emoji take two, combining marks none."""
    return sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
