"""Small damages to one item, and the attribute paths at which a verification must find them.

Each takes an item in DynamoDB's wire format and gives a spoilt copy, or None where the item has nothing of the
kind. The item itself is left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

Item = dict[str, Any]
"""Attribute names to AttributeValues as boto3's client gives them, `{"S": "x"}`."""


@dataclass(frozen=True)
class Spoilt:
    """`paths`: (attribute path, kind) of each difference from the item that was."""

    item: Item
    paths: tuple[tuple[str, str], ...]


Spoil = Callable[[Item, Random], Spoilt | None]


def text_changed(name: str) -> Spoil:
    def spoil(item: Item, _: Random) -> Spoilt | None:
        text = item.get(name, {}).get("S")
        return None if text is None else _with(item, name, {"S": f"{text}!"}, "value")

    return spoil


def last_digit_changed(name: str) -> Spoil:
    """Of an integer of 16 digits or more: as floating point numbers the two would be equal."""

    def spoil(item: Item, _: Random) -> Spoilt | None:
        digits = item.get(name, {}).get("N", "")
        if len(digits) < 16:
            return None
        return _with(item, name, {"N": str(int(digits) - 1)}, "value")

    return spoil


def flag_turned(name: str) -> Spoil:
    def spoil(item: Item, _: Random) -> Spoilt | None:
        flag = item.get(name, {}).get("BOOL")
        return None if flag is None else _with(item, name, {"BOOL": not flag}, "value")

    return spoil


def number_as_text(name: str) -> Spoil:
    def spoil(item: Item, _: Random) -> Spoilt | None:
        digits = item.get(name, {}).get("N")
        return None if digits is None else _with(item, name, {"S": digits}, "type")

    return spoil


def attribute_removed(name: str) -> Spoil:
    def spoil(item: Item, _: Random) -> Spoilt | None:
        if name not in item:
            return None
        return Spoilt({other: value for other, value in item.items() if other != name}, ((name, "absent"),))

    return spoil


def attribute_added(name: str) -> Spoil:
    def spoil(item: Item, rng: Random) -> Spoilt | None:
        return None if name in item else _with(item, name, {"N": str(rng.randrange(100))}, "absent")

    return spoil


def line_renamed(item: Item, rng: Random) -> Spoilt | None:
    lines = len(item.get("lines", {}).get("L", ()))
    if not lines:
        return None
    spoilt, index = copy.deepcopy(item), rng.randrange(lines)
    product = spoilt["lines"]["L"][index]["M"]["product"]["M"]
    product["name"] = {"S": product["name"]["S"] + " (refurbished)"}
    return Spoilt(spoilt, ((f"lines[{index}].product.name", "value"),))


def payment_altered(item: Item, rng: Random) -> Spoilt | None:
    payments = len(item.get("payments", {}).get("L", ()))
    if not payments:
        return None
    spoilt, index = copy.deepcopy(item), rng.randrange(payments)
    payment = spoilt["payments"]["L"][index]["M"]
    payment["amount"] = {"N": f"1{payment['amount']['N'].lstrip('-')}"}
    return Spoilt(spoilt, ((f"payments[{index}].amount", "value"),))


def last_line_removed(item: Item, _: Random) -> Spoilt | None:
    lines = item.get("lines", {}).get("L", ())
    if len(lines) < 2:
        return None
    return _with(item, "lines", {"L": lines[:-1]}, "absent", f"lines[{len(lines) - 1}]")


def member_replaced(name: str) -> Spoil:
    """A set differs by the member that is missing and by the one that is too many: twice `name{}`, absent."""

    def spoil(item: Item, rng: Random) -> Spoilt | None:
        ((kind, members),) = item.get(name, {"NULL": True}).items()
        if kind not in ("SS", "NS"):
            return None
        leaving = rng.choice(sorted(members))
        coming = "planted" if kind == "SS" else "987654321"
        rest = [member for member in members if member != leaving]
        return _with(item, name, {kind: [*rest, coming]}, "absent", f"{name}{{}}")

    return spoil


def _with(item: Item, name: str, value: dict[str, Any], kind: str, path: str | None = None) -> Spoilt:
    return Spoilt({**item, name: value}, ((path or name, kind),))
