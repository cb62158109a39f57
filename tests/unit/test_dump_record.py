from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from pipelines.target.record import target_record

pytestmark = pytest.mark.unit

KEY = {"pk": {"S": "a"}}


def test_own_attributes_are_taken_out() -> None:
    item: dict[str, Any] = {
        **KEY,
        "_v": {"N": "0"},
        "_ttl": {"N": "1"},
        "_deleted": {"BOOL": False},
        "n": {"N": "1.50"},
    }
    record = target_record(item, ["pk"])
    assert (record.key, record.item, record.version, record.is_tombstone) == (
        '{"pk":{"S":"a"}}',
        '{"n":{"N":"1.5"},"pk":{"S":"a"}}',
        0,
        False,
    )


def test_the_row() -> None:
    row = target_record({**KEY, "sk": {"N": "1E+2"}, "_v": {"N": "7"}}, ["pk", "sk"]).row("order", "shop", 64)
    item = '{"pk":{"S":"a"},"sk":{"N":"100"}}'
    assert row.pop("bucket") in range(64)
    assert row == {
        "item_type": "order",
        "table": "shop",
        "key": item,
        "source_key": None,
        "item": item,
        "version": 7,
        "digest": hashlib.sha256(item.encode()).digest(),
        "size": 2 + 1 + 2 + 2,
    }


@pytest.mark.parametrize(
    ("value", "version"),
    [
        ({"N": "0"}, 0),
        ({"N": "1.0"}, 1),
        ({"N": "9223372036854775807"}, 2**63 - 1),
        # foreign, all of them
        (None, None),
        ({"S": "1"}, None),
        ({"N": "-1"}, None),
        ({"N": "1.5"}, None),
        ({"N": "9223372036854775808"}, None),
        ({"N": "1e400"}, None),
        ({"N": "1e5000"}, None),  # more digits than Python makes a number of
        ({"N": "x"}, None),
        ({"NULL": True}, None),
        ({"L": []}, None),
    ],
)
def test_version(value: dict[str, Any] | None, version: int | None) -> None:
    item: dict[str, Any] = KEY if value is None else {**KEY, "_v": value}
    assert target_record(item, ["pk"]).version == version


@pytest.mark.parametrize(
    ("own", "is_tombstone"),
    [
        ({"_v": {"N": "1"}, "_deleted": {"BOOL": True}}, True),
        ({"_v": {"N": "1"}, "_deleted": {"BOOL": False}}, False),
        ({"_v": {"N": "1"}, "_deleted": {"S": "true"}}, False),
        ({"_deleted": {"BOOL": True}}, False),  # not ours: an application's own attribute must not hide an item
    ],
)
def test_tombstone(own: dict[str, Any], is_tombstone: bool) -> None:
    assert target_record({**KEY, **own}, ["pk"]).is_tombstone is is_tombstone


DEEP: dict[str, Any] = {"S": "x"}
for _ in range(40):
    DEEP = {"L": [DEEP]}


@pytest.mark.parametrize(
    "value",
    [
        {"N": "9" * 39},
        {"N": "nonsense"},
        {"N": "1e500"},
        {"NS": ["1", "1.0"]},
        {"SS": ["a", "a"]},
        {"S": "\ud800"},
        {"SS": ["\ud800"]},
        {"B": "no base64!"},
        {"M": {"\ud800": {"S": "x"}}},
        {"M": {"": {"S": "x"}}},
        {"NEW": "x"},
        DEEP,
    ],
)
def test_what_has_no_canonical_form_is_kept_and_the_rest_is_canonical(value: dict[str, Any]) -> None:
    item: dict[str, Any] = {**KEY, "odd": {"L": [value, {"N": "1.50"}]}, "n": {"N": "2.0"}}
    record = target_record(item, ["pk"])
    assert record.row(None, "shop", 64)["size"] > 0
    parsed = json.loads(record.item)
    assert parsed["n"] == {"N": "2"}
    assert parsed["odd"]["L"] == [value, {"N": "1.5"}]
    assert record.item.encode()


def test_key_without_canonical_form() -> None:
    record = target_record({"pk": {"N": "9" * 39}}, ["pk"])
    assert record.key == record.item == f'{{"pk":{{"N":"{"9" * 39}"}}}}'
