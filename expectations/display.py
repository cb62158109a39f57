"""Makes values safe to show: nothing invisible, nothing that reorders text, nothing endless.

Escaping for HTML is the template engine's part; this one is about what a reader sees.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from expectations.report_data import ShownValue

LIMIT = 160
"""Characters of a value that are shown before it is cut."""

_CONTEXT = 40
_WORTH_A_MARK = 12  # characters
_NO_MARKS = ((0, 0), (0, 0))
_TYPED = re.compile(r'\{"(S|N|B|BOOL|NULL|M|L|SS|NS|BS)":')
_SHORTENED = re.compile(r"(.*)… \(([0-9,]+) characters\)", re.DOTALL)
"""The dataset's own mark. A whole AttributeValue ends with a brace, so the two cannot be taken for each other."""


def visible(text: str) -> str:
    r"""Writes characters that cannot be seen as `\u202E`: controls, overrides of direction, zero-width and odd spaces.

    The space itself stays. What a text has of `\` is not doubled: values come as JSON text, where it is already.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def cut(text: str, limit: int = LIMIT) -> str:
    """The text, visible, or its first `limit` characters and its length."""
    return _window(text, 0, limit, len(text))


def values(source: str | None, target: str | None) -> tuple[ShownValue | None, ShownValue | None]:
    """The two values of a difference: AttributeValues as the differences dataset keeps them, or masks.

    Of long ones that part is shown in which they begin to differ.
    """
    if source is None or target is None:
        return _alone(source), _alone(target)
    mine, theirs = _Stored.of(source), _Stored.of(target)
    same = _equal_start(mine.text, theirs.text)
    shown = mine.window(same), theirs.window(same)
    marks = _marks(*shown) if mine.type == theirs.type else _NO_MARKS
    return ShownValue(shown[0], mine.type, *marks[0]), ShownValue(shown[1], theirs.type, *marks[1])


def key(document: str) -> str:
    """A key, `{"pk":{"S":"A"},"sk":{"N":"1"}}` → `pk="A" sk=1`, or a source key, `{"id":"6"}` → `id="6"`."""
    parts = json.loads(document)
    return " ".join(f"{visible(name)}={cut(_key_part(part))}" for name, part in parts.items())


def _key_part(part: object) -> str:
    if isinstance(part, dict):
        return _Stored.of(json.dumps(part, ensure_ascii=False, separators=(",", ":"))).text
    return json.dumps(part, ensure_ascii=False)


@dataclass(frozen=True)
class _Stored:
    """An AttributeValue without its type's wrapper. `length` in characters: the dataset may hold its beginning only."""

    text: str
    type: str
    length: int

    @classmethod
    def of(cls, fragment: str) -> _Stored:
        shortened = _SHORTENED.fullmatch(fragment)
        text, length = (shortened[1], int(shortened[2].replace(",", ""))) if shortened else (fragment, len(fragment))
        typed = _TYPED.match(text)
        if typed is None:
            return cls(text, "", length)
        inner = text[typed.end() :] if shortened else text[typed.end() : -1]
        plain = inner.strip('"') if typed[1] == "N" else inner
        return cls(plain, typed[1], length - typed.end() - 1 if shortened else len(plain))

    def window(self, differs_at: int) -> str:
        start = max(0, min(differs_at - _CONTEXT, len(self.text) - LIMIT)) if self.length > LIMIT else 0
        return _window(self.text, start, LIMIT, self.length)


def _alone(fragment: str | None) -> ShownValue | None:
    if fragment is None:
        return None
    stored = _Stored.of(fragment)
    return ShownValue(stored.window(0), stored.type)


def _marks(one: str, other: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where the two differ, from and to in each; nowhere if they are short or have little in common."""
    before = _equal_start(one, other)
    after = _equal_start(one[before:][::-1], other[before:][::-1])
    longer = max(len(one), len(other))
    if longer < _WORTH_A_MARK or 2 * (before + after) < longer:
        return _NO_MARKS
    return (before, len(one) - after), (before, len(other) - after)


def _equal_start(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (mine, theirs) in pairs if mine != theirs), min(len(one), len(other)))


def _window(text: str, start: int, limit: int, length: int) -> str:
    if length <= limit:
        return visible(text)
    shown = visible(text[start : start + limit])
    return f"{'…' if start else ''}{shown}{'…' if start + limit < length else ''} ({length:,} characters)"


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04X}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08X}"
