"""What a put is charged with before it is sent is what another, who shares no code, counts."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from pipelines.items.canonical import canonical_item
from pipelines.items.size import canonical_size
from pipelines.target.charge import Charge, Tariff
from pipelines.target.table_shape import IndexShape, Key, TableShape
from tests.capacity_account import CapacityAccount, Index

pytestmark = pytest.mark.unit

KEYS = (Key("pk", "S"), Key("sk", "N"))
SHAPE = TableShape(
    KEYS,
    {
        "all": IndexShape((Key("g", "S"),), None),
        "keys": IndexShape((Key("h", "S"), Key("sk", "N")), frozenset()),
        "some": IndexShape((Key("h", "S"),), frozenset({"note", "lines"})),
    },
)
ACCOUNT = CapacityAccount(
    {
        "t": (
            Index(("g",)),
            Index(("h", "sk"), frozenset({"pk", "sk", "h"})),
            Index(("h",), frozenset({"pk", "sk", "h", "note", "lines"})),
        )
    }
)


def item(dice: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {
        "pk": {"S": "ä" * dice.randint(1, 9)},
        "sk": {"N": str(dice.randint(-(10**9), 10**9))},
        "big": {"S": "x" * dice.choice([0, 900, 1_000, 1_010, 5_000])},
        "lines": {"L": [{"M": {"n": {"N": "1.5"}, "ok": {"BOOL": True}}}] * dice.randint(0, 90)},
        "tags": {"SS": ["a", "b"]},
        "raw": {"B": "AQIDBA=="},
    }
    for name in ("g", "h", "note"):
        if dice.random() < 0.5:
            made[name] = {"S": f'"{name}":{{"S"'}  # the name in a value is not the attribute
    return made


@pytest.mark.parametrize("seed", range(300))
def test_it_is_what_another_counts(seed: int) -> None:
    dice = random.Random(seed)
    made, version = item(dice), dice.choice([0, 7, 2**40 + 12_345])
    owner = dice.choice([None, '{"order_id":"6"}'])
    text = canonical_item(made)
    stored = made | {"_v": {"N": str(version)}} | ({} if owner is None else {"_s": {"S": owner}})
    charge = Tariff(SHAPE).of(text.encode(), canonical_size(text), version, owner)
    assert charge.total == ACCOUNT.units("t", stored)
    assert charge.own == CapacityAccount({"t": ()}).units("t", stored)


def test_a_name_that_only_lies_deeper_counts_too() -> None:
    text = canonical_item({"pk": {"S": "1"}, "m": {"M": {"g": {"S": "1"}}}})
    assert json.loads(text).get("g") is None
    assert Tariff(SHAPE).of(text.encode(), canonical_size(text), 0) == Charge(own=1, indexes=1)
