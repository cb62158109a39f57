"""Sizes counted by hand from AWS's page, "DynamoDB item sizes and formats"."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.items.size import canonical_size, item_size, value_size

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "abc"}, 3),
        ({"S": "é漢😀"}, 2 + 3 + 4),
        ({"N": "0"}, 1),
        ({"N": "1"}, 2),
        ({"N": "12"}, 2),
        ({"N": "123"}, 3),
        ({"N": "12000"}, 2),
        ({"N": "0.0012"}, 2),
        ({"N": "-12"}, 3),
        ({"N": "1" * 38}, 20),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"B": ""}, 0),
        ({"B": "YQ=="}, 1),
        ({"B": "YWI="}, 2),
        ({"B": "YWJj"}, 3),
        ({"B": b"abcd"}, 4),
        ({"SS": ["a", "é"]}, 3),
        ({"NS": ["1", "-123"]}, 2 + 4),
        ({"BS": ["YQ==", "YWI="]}, 3),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"NULL": True}]}, 3 + (1 + 2) + (1 + 1)),
        ({"M": {}}, 3),
        ({"M": {"né": {"N": "12"}}}, 3 + (1 + 3 + 2)),
        ({"M": {"a": {"L": [{"M": {}}]}}}, 3 + (1 + 1 + (3 + (1 + 3)))),
    ],
)
def test_values(value: dict[str, Any], size: int) -> None:
    assert value_size(value) == size


def test_an_item_counts_names_and_values() -> None:
    assert item_size({"pk": {"S": "abc"}, "né": {"N": "1"}}) == (2 + 3) + (3 + 2)
    assert canonical_size('{"né":{"N":"1"},"pk":{"S":"abc"}}') == 10


def test_no_such_type() -> None:
    with pytest.raises(ValueError, match="no DynamoDB type"):
        value_size({"X": "1"})
