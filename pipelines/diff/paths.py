"""Where two items differ: attribute paths, both values, and the kind of the difference.

    {"lines":{"L":[{"M":{"price":{"N":"1"}}}]}}        lines[0].price  value  {"N":"1"}  {"N":"2"}
    {"lines":{"L":[{"M":{"price":{"N":"2"}}}]}}

Pure functions of two canonical items, symmetric: swapping the sides swaps `source` and `target` of each path and
nothing else. Maps are compared by name, lists by index, sets by member; values of two types are one difference.
A difference that the mapping's `compare` accepts is a difference nevertheless, and says by which rule.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from itertools import zip_longest
from json.encoder import encode_basestring
from typing import Any, NamedTuple

import orjson

from pipelines.diff.equivalence import Rule, normal_form, rule_for
from pipelines.diff.sensitive import NOTHING_SENSITIVE, Sensitive
from pipelines.items.canonical import quote
from pipelines.mapping.plan import NO_EQUIVALENCES, AttributeNames, Equivalences

SETS = {"SS": "S", "NS": "N", "BS": "B"}
_PLAIN_NAME = re.compile(r"[^.\[\]{}\"\\\s\x00-\x1f\ud800-\udfff]+")


class PathKind(StrEnum):
    """The values stand in the differences dataset; they are part of its format."""

    VALUE = "value"  # one type, two values
    TYPE = "type"
    ABSENT = "absent"  # on the side whose text is None


class PathDifference(NamedTuple):
    """`path`: `lines[2].price`; names that are not plain stand in quotes, `"a.b"[0]`; `tags{}` is a member of a
    set, or of a list without an order. `source`, `target`: the value there as DynamoDB JSON, `•••` where sensitive,
    None where absent. `accepted_by`: the rules that make it an accepted one; empty where it is none."""

    path: str
    kind: PathKind
    source: str | None
    target: str | None
    accepted_by: tuple[Rule, ...] = ()

    @property
    def general(self) -> str:
        """The path with every list index left out, `lines[].price`: what counts are kept by."""
        return self.path if "[" not in self.path else _INDEX.sub(lambda match: match[1] or "[]", self.path)


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_INDEX = re.compile(r'("(?:[^"\\]|\\.)*")|\[\d+\]')  # quoted names are passed over


def path_differences(
    source: str,
    target: str,
    sensitive: Sensitive = NOTHING_SENSITIVE,
    equivalences: Equivalences = NO_EQUIVALENCES,
) -> Iterator[PathDifference]:
    """All differences of two canonical items, attributes by name, lists by index."""
    walk = _Walk(sensitive, equivalences)
    walk.maps(_parsed(source), _parsed(target), _ROOT)
    return iter(walk.found)


def accepted_by(equivalences: Equivalences, source: str, target: str) -> tuple[Rule, ...]:
    """The rules by which two canonical items that are not equal pass for it; none where they do not, or are equal."""
    return rules_of(path_differences(source, target, equivalences=equivalences)) if equivalences else ()


def rules_of(differences: Iterable[PathDifference]) -> tuple[Rule, ...]:
    """The rules that accept all of the differences together, sorted; none where one is not accepted."""
    found: set[Rule] = set()
    for difference in differences:
        if not difference.accepted_by:
            return ()
        found.update(difference.accepted_by)
    return tuple(sorted(found))


class _Place(NamedTuple):
    """`path` is for the reader; `names` are the attribute names on the way, without indexes. `is_attribute`: not an
    element or a member of one."""

    path: str
    names: AttributeNames
    is_attribute: bool = True

    def attribute(self, name: str) -> _Place:
        return _Place(f"{self.path}.{_shown(name)}" if self.path else _shown(name), (*self.names, name))

    def element(self, index: int) -> _Place:
        return _Place(f"{self.path}[{index}]", self.names, False)

    def member(self) -> _Place:
        return _Place(f"{self.path}{{}}", self.names, False)


_ROOT = _Place("", ())


class _Walk:
    """Through two values at once, each `{"<type>": content}` or None. What differs is `found`."""

    def __init__(self, sensitive: Sensitive, equivalences: Equivalences) -> None:
        self.found: list[PathDifference] = []
        self.sensitive = sensitive
        self.equivalences = equivalences
        self._has_rules = bool(equivalences)
        self._hides = bool(sensitive.paths)

    def maps(self, source: Mapping[str, Any], target: Mapping[str, Any], place: _Place) -> None:
        apart = [name for name, value in source.items() if value != target.get(name)]
        if len(source) != len(target) or any(name not in target for name in apart):
            apart += target.keys() - source.keys()
        for name in sorted(apart):
            self._values(source.get(name), target.get(name), place.attribute(name))

    def _values(self, source: Any, target: Any, place: _Place) -> None:
        """Of two values that are not equal."""
        rule = None
        if self._has_rules:
            rule = rule_for(self.equivalences, place.names, place.is_attribute, source, target)
        accepted_by = () if rule is None else (rule,)
        if source is None or target is None:
            self._add(PathKind.ABSENT, source, target, place, accepted_by)
            return
        ((kind, _),), ((other, _),) = source.items(), target.items()
        if kind != other:
            self._add(PathKind.TYPE, source, target, place, accepted_by)
        elif accepted_by:
            self._add(PathKind.VALUE, source, target, place, accepted_by)
        elif self._hides and self.sensitive.covers(place.names):
            inside = _Walk(NOTHING_SENSITIVE, self.equivalences)
            inside._contents(kind, source, target, place)
            self._add(PathKind.VALUE, source, target, place, rules_of(inside.found))
        else:
            self._contents(kind, source, target, place)

    def _contents(self, kind: str, source: Any, target: Any, place: _Place) -> None:
        """Of two values of one type."""
        if kind == "M":
            self.maps(source["M"], target["M"], place)
        elif kind == "L" and place.is_attribute and place.names in self.equivalences.unordered:
            self._unordered(source, target, place)
        elif kind == "L":
            self._lists(source["L"], target["L"], place)
        elif kind in SETS:
            self._sets(kind, source, target, place)
        else:
            self._add(PathKind.VALUE, source, target, place)

    def _lists(self, mine: list[Any], theirs: list[Any], place: _Place) -> None:
        for index, (here, there) in enumerate(zip_longest(mine, theirs)):
            if here != there:
                self._values(here, there, place.element(index))

    def _unordered(self, source: Any, target: Any, place: _Place) -> None:
        """Elements that are equal by the equivalences are one another's partners, wherever they stand. What is left
        over is compared where it is one on each side; else nothing tells what belongs together."""
        mine, theirs = source["L"], target["L"]
        forms = [[normal_form(self.equivalences, value, place.names) for value in side] for side in (mine, theirs)]
        if forms[0] == forms[1]:
            self._lists(mine, theirs, place)
            return
        pairs, here, there = self._partners(mine, theirs, place.names)
        if not here and not there:
            self._add(PathKind.VALUE, source, target, place, (Rule.UNORDERED,))
        if len(here) == len(there) == 1:
            pairs, here, there = [*pairs, (here[0], there[0])], [], []
        for one, other in [*pairs, *((value, None) for value in here), *((None, value) for value in there)]:
            self._values(one, other, place.member())

    def _partners(
        self, mine: list[Any], theirs: list[Any], names: AttributeNames
    ) -> tuple[list[tuple[Any, Any]], list[Any], list[Any]]:
        """(pairs of unequal elements that are equivalent, what is left of mine, of theirs), equal ones taken out."""
        counts = [Counter(json.dumps(value, sort_keys=True) for value in side) for side in (mine, theirs)]
        by_form: dict[str, tuple[list[Any], list[Any]]] = {}
        for side, apart in enumerate((counts[0] - counts[1], counts[1] - counts[0])):
            for value in map(json.loads, sorted(apart.elements())):
                by_form.setdefault(normal_form(self.equivalences, value, names), ([], []))[side].append(value)
        pairs: list[tuple[Any, Any]] = []
        here: list[Any] = []
        there: list[Any] = []
        for _, (ours, others) in sorted(by_form.items()):
            pairs += zip(ours, others, strict=False)
            here += ours[len(others) :]
            there += others[len(ours) :]
        return pairs, here, there

    def _sets(self, kind: str, source: Any, target: Any, place: _Place) -> None:
        mine, theirs = source[kind], target[kind]
        apart = sorted(set(mine) ^ set(theirs))
        for member in apart:
            here, there = ({SETS[kind]: member} if member in side else None for side in (mine, theirs))
            self._add(PathKind.ABSENT, here, there, place.member())
        if not apart:  # one member twice: no set, but some endpoints store it
            self._add(PathKind.VALUE, source, target, place)

    def _add(self, kind: PathKind, source: Any, target: Any, place: _Place, accepted_by: tuple[Rule, ...] = ()) -> None:
        if self._hides:
            source, target = (
                None if side is None else self.sensitive.masked(side, place.names) for side in (source, target)
            )
        here = None if source is None else _text(source)
        there = None if target is None else _text(target)
        self.found.append(PathDifference(place.path, kind, here, there, accepted_by))


def _parsed(item: str) -> Any:
    try:
        return orjson.loads(item)
    except orjson.JSONDecodeError:  # a lone surrogate, which some endpoints store
        return json.loads(item)


def _text(value: Any) -> str:
    """DynamoDB JSON for the reader; the masked whole is shown without quotes."""
    if isinstance(value, str):
        return _encodable(value)
    ((kind, content),) = value.items()
    if isinstance(content, str):  # as most are; an encoder takes four times as long for it
        return _encodable(f'{{"{kind}":{encode_basestring(content)}}}')
    return _encodable(_JSON.encode(value))


@lru_cache(maxsize=4_096)
def _shown(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else quote(_encodable(name))


def _encodable(text: str) -> str:
    r"""A lone surrogate, which some endpoints store, as `\udc80`: Parquet takes UTF-8 only."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
