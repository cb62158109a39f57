"""Where in the mapping file a thing is written, so that a problem can say its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys and list positions from the top of the file: ("items", "order", "exclude", 0)."""


@dataclass(frozen=True)
class Origin:
    """`where` is the file's name, `lines` the line (from 1) of each path in it."""

    where: str = "mapping"
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """The line of a path, or of the nearest thing around it."""
        return next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)

    def problem(self, path: Path, message: str) -> str:
        """`shop.yaml:17: items.order.key.pk: message`."""
        line = self.line(path)
        place = self.where if line is None else f"{self.where}:{line}"
        name = dotted(path)
        return _one_line(f"{place}: {name}: {message}" if name else f"{place}: {message}")


def _one_line(text: str) -> str:
    """Names and values of the file may hold line breaks, and what a terminal would obey."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def dotted(path: Path) -> str:
    """`items.order.exclude[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(name: str, candidates: Iterable[str]) -> str:
    """What to say of an unknown name: ` (did you mean "email"?)`, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return f" (did you mean `{near[0]}`?)" if near else ""


def listed(names: Iterable[str], most: int = 12) -> str:
    """`a, b, c`, cut after `most`."""
    every = list(names)
    return ", ".join(every[:most]) + (f", … ({len(every)} in all)" if len(every) > most else "")
