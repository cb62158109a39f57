"""Hides what the mapping calls sensitive, before anything is written.

A sensitive path covers what lies below it. What lies above it is shown with the sensitive parts masked; where its
shape is not the mapping's, so that those parts cannot be found, it is masked as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MASK = "•••"


@dataclass(frozen=True)
class Sensitive:
    """Attribute paths without indexes, `email`, `customer.phone`, `lines.price`."""

    paths: frozenset[str]

    def covers(self, names: tuple[str, ...]) -> bool:
        """Whether all that stands at this path is sensitive."""
        if not self.paths:
            return False
        here = ".".join(names)
        return any(here == path or here.startswith(f"{path}.") for path in self.paths)

    def lies_below(self, names: tuple[str, ...]) -> bool:
        return any(path.startswith(f"{'.'.join(names)}.") for path in self.paths)

    def masked(self, value: Any, names: tuple[str, ...]) -> Any:
        """The AttributeValue with MASK in the place of whatever is sensitive; MASK alone where all of it is."""
        if not self.paths:
            return value
        if self.covers(names):
            return MASK
        if not self.lies_below(names):
            return value
        ((kind, content),) = value.items()
        if kind == "M":
            return {"M": self._masked_map(content, names)}
        if kind == "L":
            return {"L": [self.masked(element, names) for element in content]}
        return MASK

    def _masked_map(self, content: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.masked(value, (*names, name)) for name, value in content.items()}


NOTHING_SENSITIVE = Sensitive(frozenset())
