"""Random nested items on two sides, with faults planted in the target that are known exactly.

All follows from the seed. Items stand in DynamoDB's wire format, binaries as base64 text.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

Value = dict[str, Any]

COMPARE = """\
{ignore: [updated_at, lines.seen, payload.at], unordered: [labels], null_is_absent: [note, lines.memo],
              tolerance: {score: 0.1, lines.weight: 2}}"""
"""Of the item type `order`; `customer` has none."""
IGNORED, UNORDERED, NULLABLE = ("updated_at", "lines.seen", "payload.at"), ("labels",), ("note", "lines.memo")
TOLERANCE = {"score": "0.1", "lines.weight": "2"}
RULED = ("updated_at", "labels", "note", "score", "payload.at", *("lines[0]", "lines[1]", "lines[2]"))
"""Paths whose faults a rule may accept: these are planted on purpose only."""

_NAMES = ("a", "name", "é", "ключ", "a.b", "x y", "t{}", "l[0]", 'say "x"')


@dataclass(frozen=True)
class Fault:
    """One path of a difference. `rule`: that accepts it, or "". A value is None where absent."""

    path: str
    kind: str
    rule: str
    source: Value | None
    target: Value | None


@dataclass(frozen=True)
class Planted:
    """One key of both sides, and what a diff must say of it. `source`, `target`: the items, None where there is none;
    `version`: the target's `_v`, None where it has none; `rejected`: the source row is a reject."""

    number: int
    item_type: str
    source: Value | None
    target: Value | None
    version: int | None
    verdict: str
    faults: tuple[Fault, ...] = ()
    rejected: bool = False

    @property
    def key(self) -> str:
        return json.dumps({"pk": {"S": key_text(self.item_type, self.number)}}, separators=(",", ":"))


def key_text(item_type: str, number: int) -> str:
    return f"{item_type.upper()}#{number}"


def text(item: Value) -> str:
    """Canonical: the items have neither control characters nor numbers in another form."""
    return json.dumps(item, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def plan(seed: int, items: int = 8) -> list[Planted]:
    """Numbers are seed · 100 and on."""
    random = Random(f"faults/{seed}")
    return [_planted(random, seed * 100 + n) for n in range(items)]


def _planted(random: Random, number: int) -> Planted:
    item_type = random.choice(["order", "customer"])
    source = _item(random, item_type, number)
    target = copy.deepcopy(source)
    fate = random.choices(
        ["content", "match", "missing", "extra", "foreign", "ahead", "unmapped", "rejected"], [8, 4, 1, 1, 1, 1, 1, 1]
    )[0]
    match fate:
        case "missing":
            return Planted(number, item_type, source, None, None, fate)
        case "extra":
            return Planted(number, item_type, None, target, 0, fate)
        case "unmapped":
            target["pk"] = {"S": key_text("stray", number)}
            return Planted(number, "stray", None, target, 0, fate)
        case "rejected":
            return Planted(number, item_type, None, target if random.random() < 0.5 else None, 0, fate, rejected=True)
    faults = () if fate == "match" else tuple(_plant(random, item_type, target))
    if fate == "content":
        fate = ("accepted" if all(fault.rule for fault in faults) else "mismatch") if faults else "match"
    return Planted(number, item_type, source, target, {"foreign": None, "ahead": 7}.get(fate, 0), fate, faults)


# What items hold


def _item(random: Random, item_type: str, number: int) -> Value:
    item: Value = {"pk": {"S": key_text(item_type, number)}}
    for name in random.sample(_NAMES, random.randint(0, 4)):
        item[name] = _value(random, 3)
    if item_type == "order":
        item["updated_at"] = {"S": f"t{random.randint(0, 9)}"}
        item["score"] = {"N": _tenths(random)}
        item["note"] = {"NULL": True}
        item["labels"] = {"L": [{"S": letter} for letter in random.sample("abcdef", random.randint(2, 5))]}
        item["payload"] = {"M": {"at": {"N": "1"}, "by": _value(random, 2)}}
        item["lines"] = {"L": [_line(random) for _ in range(random.randint(0, 3))]}
    return item


def _line(random: Random) -> Value:
    return {
        "M": {
            "seen": {"S": f"s{random.randint(0, 9)}"},
            "memo": {"NULL": True},
            "weight": {"N": _tenths(random)},
            "price": {"N": str(random.randint(-(10**37), 10**37))},
            "product": {"M": {"sku": {"S": "é" * random.randint(0, 3)}, "sizes": _value(random, 1)}},
        }
    }


def _tenths(random: Random) -> str:
    """A whole number and a tenth that is not 0, so that it is in plain normal form."""
    return f"{random.randint(0, 99)}.{random.randint(1, 9)}"


def _value(random: Random, depth: int) -> Value:
    kind = random.choice(["S", "N", "BOOL", "NULL", "B", "SS", "NS", *(["L", "M"] * 3 if depth else [])])
    match kind:
        case "L":
            return {"L": [_value(random, depth - 1) for _ in range(random.randint(0, 3))]}
        case "M":
            return {"M": {n: _value(random, depth - 1) for n in random.sample(_NAMES, random.randint(0, 3))}}
        case "SS":
            return {"SS": sorted(random.sample("uvwxyzäß", random.randint(1, 3)))}
        case "NS":
            return {"NS": sorted(random.sample(["1", "20", "-3", "0.5"], random.randint(1, 3)))}
    scalars: Value = {"S": "x" * random.randint(0, 2), "N": str(random.randint(-99, 99)), "B": "YQ=="}
    return {kind: {"BOOL": random.random() < 0.5, "NULL": True, **scalars}[kind]}


# What is planted in them


def _plant(random: Random, item_type: str, target: Value) -> Iterator[Fault]:
    """Up to four faults at places that have nothing to do with one another."""
    chosen: list[str] = ["pk"]
    on_purpose = random.sample(_ON_PURPOSE, len(_ON_PURPOSE)) if item_type == "order" else []
    ruled = RULED if item_type == "order" else ()
    for _ in range(random.randint(1, 4)):
        fault: Fault | None
        if on_purpose and random.random() < 0.5:
            fault = random.choice(on_purpose.pop())(random, target)
        else:
            taken = [*chosen, *ruled]
            free = [place for place in places(target) if not any(overlap(place.path, path) for path in taken)]
            fault = random.choice([_change, _retype, _drop])(random.choice(free)) if free else None
        if fault is not None:
            chosen.append(fault.path)
            yield fault


@dataclass(frozen=True)
class At:
    """A value in an item, and the container that holds it under `name`: an item, a map or a list."""

    path: str
    value: Value
    holder: Any
    name: str | int


def places(item: Value) -> list[At]:
    return [found for name in item for found in _below(At(_named(name), item[name], item, name))]


def _below(at: At) -> Iterator[At]:
    yield at
    ((kind, content),) = at.value.items()
    if kind == "M":
        for name in content:
            yield from _below(At(f"{at.path}.{_named(name)}", content[name], content, name))
    if kind == "L":
        for index, element in enumerate(content):
            yield from _below(At(f"{at.path}[{index}]", element, content, index))


def _named(name: str) -> str:
    return name if name.isalnum() or name == "updated_at" else json.dumps(name, ensure_ascii=False)


def overlap(path: str, other: str) -> bool:
    shorter, longer = sorted((path, other), key=len)
    return longer.startswith(shorter)


def _change(at: At) -> Fault:
    """Another value of the same type; of what holds others, one more in it."""
    ((kind, content),) = at.value.items()
    before = copy.deepcopy(at.value)
    match kind:
        case "S":
            at.value["S"] = content + "!"
        case "N":
            at.value["N"] = str(int(content) + 1) if content.lstrip("-").isdigit() else "7"
        case "B":
            at.value["B"] = "Yg=="
        case "BOOL":
            at.value["BOOL"] = not content
        case "SS" | "NS":
            member = "77"
            at.value[kind] = sorted([*content, member])
            return Fault(f"{at.path}{{}}", "absent", "", None, {kind[0]: member})
        case "L":
            content.append({"S": "one more"})
            return Fault(f"{at.path}[{len(content) - 1}]", "absent", "", None, {"S": "one more"})
        case "M":
            content["new"] = {"NULL": True}
            return Fault(f"{at.path}.new", "absent", "", None, {"NULL": True})
        case _:
            return _retype(at)
    return Fault(at.path, "value", "", before, copy.deepcopy(at.value))


def _retype(at: At) -> Fault:
    before = copy.deepcopy(at.value)
    at.value.clear()
    at.value.update({"N": "7"} if "S" in before else {"S": "other"})
    return Fault(at.path, "type", "", before, copy.deepcopy(at.value))


def _drop(at: At) -> Fault:
    """An element of a list only where it is the last, for the others behind it would move."""
    if isinstance(at.name, int) and at.name != len(at.holder) - 1:
        return _retype(at)
    del at.holder[at.name]
    return Fault(at.path, "absent", "", at.value, None)


def _ignored(random: Random, target: Value) -> Fault:
    before = target["updated_at"]
    if random.random() < 0.5:
        del target["updated_at"]
        return Fault("updated_at", "absent", "ignore", before, None)
    target["updated_at"] = {"M": {"any": {"N": "1"}}}
    return Fault("updated_at", "type", "ignore", before, {"M": {"any": {"N": "1"}}})


def _ignored_in_json(random: Random, target: Value) -> Fault:
    target["payload"]["M"]["at"] = {"N": "2"}
    return Fault("payload.at", "value", "ignore", {"N": "1"}, {"N": "2"})


def _no_note(random: Random, target: Value) -> Fault:
    del target["note"]
    return Fault("note", "absent", "null_is_absent", {"NULL": True}, None)


def _a_text_for_no_note(random: Random, target: Value) -> Fault:
    target["note"] = {"S": ""}
    return Fault("note", "type", "", {"NULL": True}, {"S": ""})


def _of_a_line(random: Random, target: Value) -> Fault | None:
    lines = target["lines"]["L"]
    if not lines:
        return None
    n, name = random.randrange(len(lines)), random.choice(["seen", "memo", "weight", "price"])
    line, path = lines[n]["M"], f"lines[{n}].{name}"
    before = line[name]
    match name:
        case "memo":
            del line[name]
            return Fault(path, "absent", "null_is_absent", before, None)
        case "weight":
            return _moved(random, line, name, path, Fraction(2))
    line[name] = {"S": "other"}
    seen = name == "seen"
    return Fault(path, "value" if seen else "type", "ignore" if seen else "", before, {"S": "other"})


def _score(random: Random, target: Value) -> Fault:
    return _moved(random, target, "score", "score", Fraction(1, 10))


def _moved(random: Random, holder: Value, name: str, path: str, most: Fraction) -> Fault:
    """By exactly what is tolerated, or by a trifle more; up or down."""
    before = holder[name]
    by = most + random.choice([Fraction(0), Fraction(1, 10**9)])
    after = Fraction(before["N"]) + random.choice([-1, 1]) * by
    holder[name] = {"N": _decimal(after)}
    return Fault(path, "value", "tolerance" if by == most else "", before, holder[name])


def _decimal(number: Fraction) -> str:
    """In plain normal form; nine decimals at most."""
    whole, part = divmod(abs(number.numerator * (10**9 // number.denominator)), 10**9)
    digits = f"{whole}.{part:09}".rstrip("0").rstrip(".")
    return f"-{digits}" if number < 0 else digits


def _shuffled(random: Random, target: Value) -> Fault:
    before = copy.deepcopy(target["labels"])
    target["labels"]["L"].reverse()  # all different, two at least: never the same order
    return Fault("labels", "value", "unordered", before, copy.deepcopy(target["labels"]))


def _one_more_label(random: Random, target: Value) -> Fault:
    target["labels"]["L"].insert(0, {"S": "z"})
    return Fault("labels{}", "absent", "", None, {"S": "z"})


_ON_PURPOSE: tuple[tuple[Callable[[Random, Value], Fault | None], ...], ...] = (
    (_ignored,),
    (_ignored_in_json,),
    (_no_note, _a_text_for_no_note),
    (_of_a_line,),
    (_score,),
    (_shuffled, _one_more_label),
)
"""One of each group at most in an item, for those of a group would meet at one place."""
