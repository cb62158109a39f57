"""A second opinion on where two items differ: plain Python that knows nothing of Crossover's diff.

Each item is laid out flat, as {place: what stands there}; what differs is found by comparing the two dictionaries.
Of what differs only the outermost place counts, since all below it differs along with it.

    {"lines": {"L": [{"M": {"price": {"N": "1"}}}]}}   →   lines: a list, lines[0]: a map, lines[0].price: N 1
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Step = tuple[str, Any]
"""("name", attribute), ("at", index), ("has", member of a set), ("some", element of an unordered list)."""
Place = tuple[Step, ...]
Difference = tuple[str, str, str]
"""(path, kind, rule that accepts it or "")."""

_CONTAINERS = {"M": "map", "L": "list", "SS": "set", "NS": "set", "BS": "set"}


@dataclass(frozen=True)
class Rules:
    """Dotted paths without indexes; `tolerance` as written."""

    ignore: tuple[str, ...] = ()
    unordered: tuple[str, ...] = ()
    null_is_absent: tuple[str, ...] = ()
    tolerance: Mapping[str, str] = field(default_factory=dict)


def differences(source: Mapping[str, Any], target: Mapping[str, Any], rules: Rules) -> Counter[Difference]:
    """Of two items in DynamoDB's wire format."""
    sides = [dict(_flat({"M": item}, (), rules)) for item in (source, target)]
    return Counter(_named(place, kind, rule) for place, kind, rule in _compared(sides[0], sides[1], rules))


def _flat(value: Mapping[str, Any], place: Place, rules: Rules) -> Iterator[tuple[Place, Any]]:
    """What the rules speak of whole is one leaf."""
    ((kind, content),) = value.items()
    if place and place[-1][0] == "name" and _dotted(place) in (*rules.ignore, *rules.unordered):
        yield place, value
        return
    yield place, kind if kind in _CONTAINERS else value
    if kind == "M":
        for name in content:
            yield from _flat(content[name], (*place, ("name", name)), rules)
    elif kind == "L":
        for index, element in enumerate(content):
            yield from _flat(element, (*place, ("at", index)), rules)
    elif kind in _CONTAINERS:
        for member in content:
            yield (*place, ("has", member)), member


def _compared(source: dict[Place, Any], target: dict[Place, Any], rules: Rules) -> Iterator[tuple[Place, str, str]]:
    apart = {place for place in source.keys() | target.keys() if source.get(place) != target.get(place)}
    for place in apart:
        if not any(place[:n] in apart for n in range(len(place))):
            yield from _judged(place, source.get(place), target.get(place), rules)


def _judged(place: Place, source: Any, target: Any, rules: Rules) -> Iterator[tuple[Place, str, str]]:
    path, is_attribute = _dotted(place), place[-1][0] == "name"
    if is_attribute and path in rules.ignore:
        yield place, _kind(source, target), "ignore"
    elif (
        is_attribute
        and path in rules.null_is_absent
        and source in (None, {"NULL": True})
        and target
        in (
            None,
            {"NULL": True},
        )
    ):
        yield place, _kind(source, target), "null_is_absent"
    elif path in rules.tolerance and _near(source, target, rules.tolerance[path]):
        yield place, "value", "tolerance"
    elif is_attribute and path in rules.unordered and _types(source) == _types(target) == {"L"}:
        yield from _shuffled(place, source["L"], target["L"], rules)
    else:
        yield place, _kind(source, target), ""


def _shuffled(place: Place, source: list[Any], target: list[Any], rules: Rules) -> Iterator[tuple[Place, str, str]]:
    """Elements find their equals first."""
    here, there = list(source), list(target)
    for element in source:
        if element in there:
            here.remove(element)
            there.remove(element)
    if not here and not there:
        yield place, "value", "unordered"
    elif len(here) == len(there) == 1:
        some = (*place, ("some", None))
        sides = [dict(_flat(element, some, rules)) for element in (here[0], there[0])]
        yield from _compared(sides[0], sides[1], rules)
    else:
        yield from (((*place, ("some", n)), "absent", "") for n in range(len(here) + len(there)))


def _kind(source: Any, target: Any) -> str:
    if source is None or target is None:
        return "absent"
    return "value" if _types(source) == _types(target) else "type"


def _types(value: Any) -> set[str]:
    return {value} if isinstance(value, str) else set(value) if value is not None else set()


def _near(source: Any, target: Any, most: str) -> bool:
    if _types(source) != {"N"} or _types(target) != {"N"}:
        return False
    return abs(Fraction(source["N"]) - Fraction(target["N"])) <= Fraction(most)


def _dotted(place: Place) -> str:
    return ".".join(what for step, what in place if step == "name")


def _named(place: Place, kind: str, rule: str) -> Difference:
    text = ""
    for step, what in place:
        if step == "name":
            plain = re.fullmatch(r"[\w-]+", what)
            text += ("." if text else "") + (what if plain else json.dumps(what, ensure_ascii=False))
        else:
            text += f"[{what}]" if step == "at" else "{}"
    return text, kind, rule
