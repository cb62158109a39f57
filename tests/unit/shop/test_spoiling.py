"""Each damage says where it is, leaves the original alone, and passes over items that have nothing to damage."""

from __future__ import annotations

import copy
from random import Random

import pytest

from examples.shop import spoiling
from examples.shop.spoiling import Item, Spoil

pytestmark = pytest.mark.unit

ITEM: Item = {
    "_v": {"N": "3"},
    "name": {"S": "Ada"},
    "stock": {"N": "9007199254740993"},
    "open": {"BOOL": True},
    "tags": {"SS": ["b"]},
    "lines": {"L": [{"M": {"product": {"M": {"name": {"S": name}}}}} for name in ("x", "y")]},
    "payments": {"L": [{"M": {"amount": {"N": "-5"}}}]},
}

DAMAGES: list[tuple[Spoil, str, str]] = [
    (spoiling.text_changed("name"), "name", "value"),
    (spoiling.last_digit_changed("stock"), "stock", "value"),
    (spoiling.flag_turned("open"), "open", "value"),
    (spoiling.number_as_text("stock"), "stock", "type"),
    (spoiling.attribute_removed("name"), "name", "absent"),
    (spoiling.attribute_added("colour"), "colour", "absent"),
    (spoiling.last_line_removed, "lines[1]", "absent"),
    (spoiling.member_replaced("tags"), "tags{}", "absent"),
    (spoiling.payment_altered, "payments[0].amount", "value"),
]


@pytest.mark.parametrize(("spoil", "path", "kind"), DAMAGES, ids=[path + kind for _, path, kind in DAMAGES])
def test_one_damage(spoil: Spoil, path: str, kind: str) -> None:
    original = copy.deepcopy(ITEM)
    spoilt = spoil(original, Random(1))
    assert spoilt is not None
    assert original == ITEM
    assert spoilt.item != ITEM
    assert spoilt.item["_v"] == ITEM["_v"]
    assert spoilt.paths == ((path, kind),)


def test_a_renamed_line_is_named_by_its_place() -> None:
    original = copy.deepcopy(ITEM)
    spoilt = spoiling.line_renamed(original, Random(1))
    assert spoilt is not None
    assert original == ITEM
    ((path, kind),) = spoilt.paths
    changed = [index for index in (0, 1) if spoilt.item["lines"]["L"][index] != ITEM["lines"]["L"][index]]
    assert (path, kind) == (f"lines[{changed[0]}].product.name", "value")
    assert len(changed) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        spoiling.text_changed("stock"),
        spoiling.last_digit_changed("name"),
        spoiling.flag_turned("name"),
        spoiling.number_as_text("name"),
        spoiling.attribute_removed("colour"),
        spoiling.attribute_added("name"),
        spoiling.member_replaced("name"),
    ],
)
def test_nothing_to_damage(spoil: Spoil) -> None:
    assert spoil(ITEM, Random(1)) is None


@pytest.mark.parametrize("spoil", [spoiling.line_renamed, spoiling.payment_altered, spoiling.last_line_removed])
def test_nothing_in_an_empty_item(spoil: Spoil) -> None:
    assert spoil({}, Random(1)) is None
