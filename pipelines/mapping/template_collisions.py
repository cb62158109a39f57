"""Keys that different values could make alike, refused: `("a#b", "c")` and `("a", "b#c")` under `{x}#{y}`.

A text before a literal must be escaped (`esc`), a number must not run into a digit, a point or a minus, and what
stands right before another placeholder must have a fixed width.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from pipelines.items.source_type import NUMBERS, TEMPORAL, Kind
from pipelines.mapping.plan import Placeholder, Template
from pipelines.mapping.templates import percent

_NUMBER_CHARACTERS = frozenset("0123456789.-")
_ESCAPE_CHARACTERS = frozenset(percent("%"))


def collisions(template: Template) -> Iterator[str]:
    """What is wrong with a key's template, and how to fix it."""
    for part, following in pairwise(template.parts):
        if not isinstance(part, Placeholder) or _has_fixed_width(part):
            continue
        name = ".".join((*part.path, part.column))
        if isinstance(following, Placeholder):
            yield (
                f"`{name}` has no fixed width and another placeholder follows, so that two rows could get one "
                "key; put a literal between them"
            )
        elif part.format is not None and part.format.escape is not None:
            if following[0] in _ESCAPE_CHARACTERS:
                yield f"`esc` itself writes `{following[0]}`, so it cannot guard that literal; use another one"
        elif _is_number(part):
            if following[0] in _NUMBER_CHARACTERS:
                yield (
                    f"the number `{name}` runs into `{following[0]}`, so that two rows could get one key; "
                    "use another literal, or a fixed width, {column:010}"
                )
        elif part.type.kind is not Kind.BOOLEAN:
            yield (
                f"`{name}` is text and `{following[0]}` follows, so that two rows could get one key; "
                f"write {{{name}:esc}}"
            )


def _has_fixed_width(placeholder: Placeholder) -> bool:
    if placeholder.format is None:
        return placeholder.type.kind is Kind.UUID or placeholder.type.kind in TEMPORAL
    return placeholder.format.pad is not None or placeholder.format.strftime is not None


def _is_number(placeholder: Placeholder) -> bool:
    if placeholder.type.kind not in NUMBERS:
        return False
    return placeholder.format is None or placeholder.format.modulus is not None
