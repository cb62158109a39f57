"""Prints figures side by side, each as a ratio to the first row."""

from __future__ import annotations

from collections.abc import Sequence


def render(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A text table; the first column is left-aligned, the others right."""
    widths = [max(len(row[index]) for row in [columns, *rows]) for index in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        first, *others = cells
        return "  ".join([first.ljust(widths[0]), *(o.rjust(w) for o, w in zip(others, widths[1:], strict=True))])

    return "\n".join([title, line(columns), "  ".join("-" * width for width in widths), *map(line, rows), ""])


def ratio(value: float, base: float) -> str:
    return f"{value / base:.2f} x" if base else "-"
