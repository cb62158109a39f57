"""Item size in bytes by DynamoDB's published rules.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.items.canonical import AttributeValue

VERSION_BYTES = 13
"""What `_v` takes in the stored item at most: two bytes of name, eleven of a number of 19 digits."""

MAX_ITEM_BYTES = 400 * 1024 - VERSION_BYTES
"""Of a record: DynamoDB's 400 KB, less the room for `_v`, which is in the stored item and not in the record."""

MAX_PARTITION_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024

NESTED_OVERHEAD = 3  # of a list or a map, whatever it holds
ELEMENT_OVERHEAD = 1  # of each element of a list, each pair of a map


def number_size(text: str) -> int:
    """One byte, one more for each two significant digits, one more below zero. `text` is in plain normal form.

    The page says "approximately" and does not name the byte for the sign: with it the size errs to the large side.
    """
    negative = text.startswith("-")
    significant = text.lstrip("-").replace(".", "").strip("0")
    return (len(significant) + 1) // 2 + 1 + negative


def value_size(value: AttributeValue) -> int:
    """The size of one value without its name; numbers in plain normal form, binaries as base64 text or bytes."""
    ((kind, content),) = value.items()
    measure = _SIZES.get(kind)
    if measure is None:
        raise ValueError(f"no DynamoDB type {kind!r}")
    return measure(content)


def item_size(item: Mapping[str, AttributeValue]) -> int:
    """The size of a whole item: names and values of all its attributes."""
    return sum([_text_size(name) + value_size(value) for name, value in item.items()])


def canonical_size(item: str) -> int:
    """`item_size` of an item's canonical text."""
    return item_size(json.loads(item))


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _binary_size(content: str | bytes) -> int:
    if not isinstance(content, str):
        return len(content)
    return len(content) // 4 * 3 - content.count("=", -2)


def _list_size(members: list[AttributeValue]) -> int:
    return NESTED_OVERHEAD + sum([ELEMENT_OVERHEAD + value_size(member) for member in members])


def _map_size(members: Mapping[str, AttributeValue]) -> int:
    return NESTED_OVERHEAD + ELEMENT_OVERHEAD * len(members) + item_size(members)


_SIZES: dict[str, Callable[[Any], int]] = {
    "S": _text_size,
    "N": number_size,
    "B": _binary_size,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "SS": lambda members: sum([_text_size(member) for member in members]),
    "NS": lambda members: sum([number_size(member) for member in members]),
    "BS": lambda members: sum([_binary_size(member) for member in members]),
    "L": _list_size,
    "M": _map_size,
}
