"""The canonical form: one text per item, whatever the order, the spelling of numbers, or who serialised it."""

from __future__ import annotations

import base64
import json
import random
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from pipelines.items.canonical import canonical_item, digest, quote
from pipelines.items.number import canonical_number
from pipelines.items.size import canonical_size, item_size

pytestmark = pytest.mark.property

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)


@st.composite
def numbers(draw: st.DrawFn) -> Decimal:
    """Up to 38 digits, anywhere in DynamoDB's range."""
    digits = draw(st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-100, 100))
    significant = len(str(abs(digits)))
    exponent = draw(st.integers(-130, 126 - significant) | st.integers(-5, 5))
    return Decimal(f"{digits}e{exponent}")


SCALARS = (
    TEXTS
    | numbers()
    | st.booleans()
    | st.none()
    | st.binary(max_size=20)
    | st.integers(-(10**38) + 1, 10**38 - 1)
    | st.sets(TEXTS, min_size=1, max_size=4)
    | st.sets(numbers(), min_size=1, max_size=4)
    | st.sets(st.binary(max_size=4), min_size=1, max_size=4)
)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(NAMES, v, max_size=4), max_leaves=15)
ITEMS = st.dictionaries(NAMES, VALUES, max_size=6)
"""Items as Python values."""


def wire(item: dict[str, Any]) -> dict[str, Any]:
    serialise = TypeSerializer().serialize
    return {name: serialise(value) for name, value in item.items()}


def shuffled(value: Any, choose: random.Random) -> Any:
    """The same AttributeValues with maps and sets in another order."""
    if isinstance(value, dict):
        names = list(value)
        choose.shuffle(names)
        return {name: shuffled(value[name], choose) for name in names}
    if isinstance(value, list) and value and not isinstance(value[0], dict):
        return choose.sample(value, len(value))
    return [shuffled(member, choose) for member in value] if isinstance(value, list) else value


@given(ITEMS)
def test_the_canonical_text_of_itself_is_itself(item: dict[str, Any]) -> None:
    text = canonical_item(wire(item))
    assert canonical_item(json.loads(text)) == text


@given(ITEMS, st.randoms(use_true_random=False))
def test_order_does_not_matter(item: dict[str, Any], choose: random.Random) -> None:
    assert canonical_item(shuffled(wire(item), choose)) == canonical_item(wire(item))


@given(ITEMS)
def test_nothing_is_lost(item: dict[str, Any]) -> None:
    read = Reader().deserialize({"M": unpacked(json.loads(canonical_item(wire(item))))})
    assert read == item


class Reader(TypeDeserializer):
    """boto3's own, but for numbers that are written with over 38 digits, which it refuses to read: `1` and 38 zeros."""

    def _deserialize_n(self, value: str) -> Decimal:
        return Decimal(value)


def unpacked(item: dict[str, Any]) -> dict[str, Any]:
    """Base64 texts as the bytes that boto3 gives."""

    def value(of: dict[str, Any]) -> dict[str, Any]:
        ((kind, content),) = of.items()
        match kind:
            case "B":
                return {"B": base64.b64decode(content)}
            case "BS":
                return {"BS": [base64.b64decode(member) for member in content]}
            case "L":
                return {"L": [value(member) for member in content]}
            case "M":
                return {"M": {name: value(member) for name, member in content.items()}}
        return of

    return {name: value(of) for name, of in item.items()}


@given(ITEMS)
def test_plain_json_without_white_space_sorted(item: dict[str, Any]) -> None:
    text = canonical_item(wire(item))
    assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == lower_hex(text)


def lower_hex(text: str) -> str:
    """Python's own JSON writes control characters with small digits."""
    for code in range(0x20):
        text = text.replace(f"\\u{code:04X}", f"\\u{code:04x}")
    return text


@given(TEXTS)
def test_quoting_is_json(text: str) -> None:
    assert json.loads(quote(text)) == text


@given(numbers(), st.sampled_from(["{}", "{:f}", "{:e}", "{:E}", "{:.200f}", "+{:f}"]))
def test_one_number_has_one_spelling(number: Decimal, spelling: str) -> None:
    number = number.copy_abs()  # `abs` would round it
    text = spelling.format(number)
    assert Decimal(canonical_number(text)) == number
    assert canonical_number(text) == canonical_number(format(number, "f"))
    assert "e" not in canonical_number(text).lower()


@given(numbers(), numbers())
def test_equal_texts_are_equal_numbers(one: Decimal, other: Decimal) -> None:
    assert (canonical_number(str(one)) == canonical_number(str(other))) == (one == other)


@given(ITEMS, ITEMS)
def test_equal_digests_are_equal_items(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = canonical_item(wire(one)), canonical_item(wire(other))
    assert (digest(first) == digest(second)) == (json.loads(first) == json.loads(second))


@given(ITEMS)
def test_the_size_of_the_text_is_the_items(item: dict[str, Any]) -> None:
    text = canonical_item(wire(item))
    assert canonical_size(text) == item_size(json.loads(text)) == independent_size(item)


def independent_size(item: dict[str, Any]) -> int:
    """AWS's rules once more, on Python values."""
    return sum(len(name.encode()) + value_bytes(member) for name, member in item.items())


def value_bytes(value: Any) -> int:
    match value:
        case None | bool():
            return 1
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case int() | Decimal():
            digits = "".join(map(str, Decimal(value).as_tuple().digits))
            return -(-len(digits.strip("0")) // 2) + 1 + (value < 0)
        case set() | frozenset():
            return sum(value_bytes(member) for member in value)
        case list():
            return 3 + sum(1 + value_bytes(member) for member in value)
        case dict():
            return 3 + sum(1 + len(name.encode()) + value_bytes(member) for name, member in value.items())
    raise TypeError(type(value))
