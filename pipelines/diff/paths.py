"""Where two items differ: attribute paths, both values, and the kind of the difference.

    {"lines":{"L":[{"M":{"price":{"N":"1"}}}]}}        lines[0].price  value  {"N":"1"}  {"N":"2"}
    {"lines":{"L":[{"M":{"price":{"N":"2"}}}]}}

Pure functions of two canonical items, symmetric: swapping the sides swaps `source` and `target` of each path and
nothing else. Maps are compared by name, lists by index, sets by member; values of two types are one difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipelines.diff.sensitive import NOTHING_SENSITIVE, Sensitive
from pipelines.items.canonical import quote

SETS = {"SS": "S", "NS": "N", "BS": "B"}
_PLAIN_NAME = re.compile(r"[^.\[\]{}\"\\\s\x00-\x1f\ud800-\udfff]+")


class PathKind(StrEnum):
    """The values stand in the differences dataset; they are part of its format."""

    VALUE = "value"  # one type, two values
    TYPE = "type"
    ABSENT = "absent"  # on the side whose text is None


@dataclass(frozen=True)
class PathDifference:
    """`path`: `lines[2].price`; names that are not plain stand in quotes, `"a.b"[0]`; `tags{}` is a member of a
    set. `source`, `target`: the value there as DynamoDB JSON, `•••` where sensitive, None where absent."""

    path: str
    kind: PathKind
    source: str | None
    target: str | None

    @property
    def general(self) -> str:
        """The path with every list index left out, `lines[].price`: what counts are kept by."""
        return _INDEX.sub(lambda match: match[1] or "[]", self.path)


_INDEX = re.compile(r'("(?:[^"\\]|\\.)*")|\[\d+\]')  # quoted names are passed over


def path_differences(source: str, target: str, sensitive: Sensitive = NOTHING_SENSITIVE) -> Iterator[PathDifference]:
    """All differences of two canonical items, attributes by name, lists by index."""
    return _maps(json.loads(source), json.loads(target), _Place("", ()), sensitive)


@dataclass(frozen=True)
class _Place:
    """`path` is for the reader; `names` are the attribute names on the way, without indexes."""

    path: str
    names: tuple[str, ...]

    def attribute(self, name: str) -> _Place:
        shown = name if _PLAIN_NAME.fullmatch(name) else _quoted(name)
        return _Place(f"{self.path}.{shown}" if self.path else shown, (*self.names, name))

    def element(self, index: int) -> _Place:
        return _Place(f"{self.path}[{index}]", self.names)

    def member(self) -> _Place:
        return _Place(f"{self.path}{{}}", self.names)


def _maps(
    source: Mapping[str, Any], target: Mapping[str, Any], place: _Place, sensitive: Sensitive
) -> Iterator[PathDifference]:
    for name in sorted({*source, *target}):
        yield from _values(source.get(name), target.get(name), place.attribute(name), sensitive)


def _values(source: Any, target: Any, place: _Place, sensitive: Sensitive) -> Iterator[PathDifference]:
    """Of two values, each `{"<type>": content}` or None; equal ones yield nothing."""
    if source == target:
        return
    if source is None or target is None:
        yield _difference(PathKind.ABSENT, source, target, place, sensitive)
        return
    ((kind, mine),), ((other, theirs),) = source.items(), target.items()
    if kind != other:
        yield _difference(PathKind.TYPE, source, target, place, sensitive)
    elif sensitive.covers(place.names):
        yield _difference(PathKind.VALUE, source, target, place, sensitive)
    elif kind == "M":
        yield from _maps(mine, theirs, place, sensitive)
    elif kind == "L":
        for index in range(max(len(mine), len(theirs))):
            yield from _values(_at(mine, index), _at(theirs, index), place.element(index), sensitive)
    elif kind in SETS:
        yield from _sets(source, target, place, sensitive)
    else:
        yield _difference(PathKind.VALUE, source, target, place, sensitive)


def _sets(source: Any, target: Any, place: _Place, sensitive: Sensitive) -> Iterator[PathDifference]:
    ((kind, mine),), theirs = source.items(), next(iter(target.values()))
    apart = sorted(set(mine) ^ set(theirs))
    for member in apart:
        here, there = ({SETS[kind]: member} if member in side else None for side in (mine, theirs))
        yield _difference(PathKind.ABSENT, here, there, place.member(), sensitive)
    if not apart:  # one member twice: no set, but some endpoints store it
        yield _difference(PathKind.VALUE, source, target, place, sensitive)


def _difference(kind: PathKind, source: Any, target: Any, place: _Place, sensitive: Sensitive) -> PathDifference:
    shown = [None if side is None else _text(sensitive.masked(side, place.names)) for side in (source, target)]
    return PathDifference(place.path, kind, shown[0], shown[1])


def _at(elements: list[Any], index: int) -> Any:
    return elements[index] if index < len(elements) else None


def _text(value: Any) -> str:
    """DynamoDB JSON for the reader; the masked whole is shown without quotes."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _encodable(text)


def _quoted(name: str) -> str:
    return quote(_encodable(name))


def _encodable(text: str) -> str:
    r"""A lone surrogate, which some endpoints store, as `\udc80`: Parquet takes UTF-8 only."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
