"""What an application gives becomes the item that the relay would have made; each expectation is written out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from boto3.dynamodb.types import Binary

from pipelines.errors import UsageError
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from pipelines.masters.item_form import Formed, ItemForm
from tests.unit.mapping.small_catalog import CATALOG

pytestmark = pytest.mark.unit

TARGET = """
migration: small
target:
  tables:
    small:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      indexes: {by_status: {partition_key: {name: gpk, type: S}, sort_key: {name: note, type: S}}}
    numbered: {partition_key: {name: id, type: N}}
items:
  order:
"""
ORDER = """
    table: small
    from: orders
    key: {pk: "C#{customer_id}", sk: "O#{order_id:05}"}
"""
LINES = """
    embed:
      lines:
        from: lines
        on: {order_id: order_id}
        as: list
        order_by: [-price]
        exclude: [order_id]
        set: {label: "{sku}x{price}", kind: line}
"""
KEY = {"order_id": 7, "customer_id": 1}


def formed(
    body: str, given: dict[str, Any], columns: dict[str, object] | None = None, owner: str | None = None
) -> Formed:
    mapping = parse_mapping(TARGET + body, "small.yaml")
    return ItemForm(compile_mapping(mapping, CATALOG).item("order"), mapping.items["order"]).formed(
        given, columns or {}, owner
    )


def attributes(body: str, given: dict[str, Any], **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(formed(ORDER + body, {**KEY, **given}, **more).item)
    return found


@pytest.mark.parametrize(
    ("types", "name", "given", "expected"),
    [
        ("", "total", Decimal("9.50"), {"N": "9.5"}),
        ("", "total", 9.5, {"N": "9.5"}),
        ("{total: text}", "total", Decimal("9.5"), {"S": "9.50"}),  # numeric(10,2)
        ("{total: text}", "total", "9.50", {"S": "9.50"}),
        ("{total: S}", "total", "9.50", {"S": "9.5"}),
        ("{order_id: S}", "order_id", 7, {"S": "7"}),
        ("", "paid", True, {"BOOL": True}),
        ("", "scan", Binary(b"\xff"), {"B": "/w=="}),
        ("", "scan", b"\xff", {"B": "/w=="}),
        ("", "public_id", UUID(int=10), {"S": "00000000-0000-0000-0000-00000000000a"}),
        ("", "public_id", "0000000000000000000000000000000A", {"S": "00000000-0000-0000-0000-00000000000a"}),
        ("", "due", date(2026, 1, 2), {"S": "2026-01-02"}),
        ("", "placed_at", datetime(2026, 1, 1, 0, 30, tzinfo=UTC), {"S": "2026-01-01T00:30:00.000000Z"}),
        ("", "placed_at", "2026-01-01T01:30+01:00", {"S": "2026-01-01T00:30:00.000000Z"}),
        ("{placed_at: epoch_seconds}", "placed_at", Decimal(12), {"N": "12"}),
        (
            "{placed_at: epoch_millis}",
            "placed_at",
            datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            {"N": "0"},
        ),
        ("{placed_at: date}", "placed_at", "2026-01-02", {"S": "2026-01-02"}),
        ("{due: text}", "due", "infinity", {"S": "infinity"}),
        ("{tags: SS}", "tags", {"b", "a"}, {"SS": ["a", "b"]}),
        ("", "tags", ["b", "a"], {"L": [{"S": "b"}, {"S": "a"}]}),
        (
            "",
            "payload",
            {"n": Decimal("1.0"), "x": [None, True]},
            {"M": {"n": {"N": "1"}, "x": {"L": [{"NULL": True}, {"BOOL": True}]}}},
        ),
        ("", "payload", None, {"NULL": True}),
    ],
)
def test_a_column_is_encoded_as_the_mapping_says(types: str, name: str, given: Any, expected: dict[str, Any]) -> None:
    body = f"    types: {types}\n" if types else ""
    assert attributes(body, {name: given})[name] == expected


@pytest.mark.parametrize(
    ("types", "name", "given"),
    [
        ("", "total", "secret"),
        ("", "order_id", 7.5),
        ("", "order_id", Decimal("1E+999999999")),
        ("", "total", Decimal("1E+999999999")),
        ("", "total", Decimal("1E-999999999")),
        ("", "placed_at", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))),
        ("", "order_id", float("inf")),
        ("", "total", float("nan")),
        ("", "status", 5),
        ("", "paid", "secret"),
        ("", "placed_at", datetime(2026, 1, 1)),
        ("", "placed_at", "secret"),
        ("", "due", datetime(2026, 1, 1)),
        ("", "public_id", "secret"),
        ("{tags: SS}", "tags", {1, 2}),
        ("{tags: SS}", "tags", ["secret"]),
        ("", "payload", {"x": set()}),
        ("", "payload", {"x": object()}),
        ("", "payload", {5: "secret"}),
        ("", "note", "\ud800"),
        ("", "sttaus", "secret"),
        ("", "_v", 5),
        (LINES, "lines", "secret"),
        (LINES, "lines", [5]),
        (LINES, "lines", [{"secert": 1}]),
    ],
)
def test_what_no_column_can_hold_is_refused_without_showing_it(types: str, name: str, given: Any) -> None:
    body = f"    types: {types}\n" if types.startswith("{") else types
    with pytest.raises(UsageError) as refused:
        attributes(body, {name: given})
    assert str(refused.value).startswith(f"order, attribute `{name}")
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_null_is_absent_or_null_as_the_mapping_says() -> None:
    given: dict[str, Any] = {"note": None, "tags": set()}
    assert attributes("    types: {tags: SS}\n", given).keys() == {"pk", "sk", "order_id", "customer_id"}
    nulls = attributes("    nulls: null\n    include: [order_id, customer_id, status, paid]\n", {"status": None})
    assert nulls["status"] == nulls["paid"] == {"NULL": True}


def test_an_empty_index_key_is_left_out() -> None:
    body = '    set: {gpk: "{status}"}\n    nulls: null\n    include: [order_id, customer_id, status, note]\n'
    assert "gpk" not in attributes(body, {"status": "", "note": ""})
    assert "note" not in attributes(body, {"status": "", "note": ""})
    assert "note" not in attributes(body, {"status": "", "note": None})


def test_templates_and_constants_are_made_whatever_is_given() -> None:
    body = (
        "    rename: {status: state}\n    types: {placed_at: epoch_millis}\n"
        '    set: {a: "{status:upper}#{placed_at:%Y-%m}", b: fixed, c: "{total}/{paid}", d: "on {placed_at}", '
        'e: "{placed_at}"}\n'
    )
    given = {"state": "new", "placed_at": datetime(2026, 3, 4, tzinfo=UTC), "total": Decimal("1.50"), "a": "old"}
    found = attributes(body, given | {"paid": False, "d": "as given", "e": 5})
    assert (found["a"], found["b"], found["c"]) == ({"S": "NEW#2026-03"}, {"S": "fixed"}, {"S": "1.5/false"})
    assert found["e"] == found["placed_at"] == {"N": "1772582400000"}
    assert found["d"] == {"S": "as given"}  # milliseconds do not tell the microseconds
    assert "c" not in attributes(body, given)


def test_a_template_through_an_embed_is_made_where_the_item_shows_it() -> None:
    embed = (
        "    embed:\n      customer: {from: customers, on: {customer_id: customer_id}, as: map, include: [name]%s}\n"
    )
    body = '    set: {who: "by {customer.name}"}\n' + embed
    assert attributes(body % "", {"customer": {"name": "Ann"}, "who": "x"})["who"] == {"S": "by Ann"}
    assert "who" not in attributes(body % "", {"who": "x"})
    hidden = '    set: {who: "by {customer.name}"}\n' + embed.replace("%s", ", hidden: true").replace(
        ", include: [name]", ""
    )
    assert attributes(hidden, {"who": "by Bob"})["who"] == {"S": "by Bob"}


def test_the_rows_of_a_list_are_put_into_the_mappings_order() -> None:
    lines = [
        {"line_no": 1, "price": Decimal(2), "sku": "a"},
        {"line_no": 3, "price": Decimal(10), "sku": "b", "label": "old"},
        {"line_no": 2, "price": Decimal(10), "sku": "c"},
        {"line_no": 4, "sku": "d"},
    ]
    found = attributes(LINES, {"lines": lines})["lines"]["L"]
    assert [one["M"]["line_no"]["N"] for one in found] == ["2", "3", "1", "4"]
    assert found[1]["M"]["label"] == {"S": "bx10"} and found[1]["M"]["kind"] == {"S": "line"}
    assert attributes(LINES, {})["lines"] == {"L": []}
    unshown = LINES.replace("exclude: [order_id]", "include: [line_no, sku]")
    bare = [{name: line[name] for name in ("line_no", "sku")} for line in lines]
    found = attributes(unshown, {"lines": bare})["lines"]["L"]
    assert [one["M"]["line_no"]["N"] for one in found] == ["1", "3", "2", "4"]


def test_a_key_is_made_of_attributes_or_of_columns_that_none_shows() -> None:
    body = ORDER + "    exclude: [order_id]\n"
    assert json.loads(formed(ORDER, KEY | {"pk": "old", "sk": "old"}).key) == {
        "pk": {"S": "C#1"},
        "sk": {"S": "O#00007"},
    }
    assert json.loads(formed(body, {"customer_id": 1}, {"order_id": 7}).key)["sk"] == {"S": "O#00007"}
    assert json.loads(formed(body, {"customer_id": 1, "sk": "O#00008"}).key)["sk"] == {"S": "O#00008"}
    assert json.loads(formed(ORDER, {"customer_id": 1}, {"order_id": 7}).item)["order_id"] == {"N": "7"}
    for given, columns, message in (
        ({"customer_id": 1}, {}, "`order_id` missing, of which `sk` is made"),
        ({"customer_id": 1}, {"order": 7}, "`order` is not asked for"),
        ({"customer_id": None}, {"order_id": 7}, "no `pk` can be made: one of `customer_id` is NULL"),
        ({"customer_id": 1}, {"order_id": 123456}, "6 digits, 5 at most"),
        ({"customer_id": 1, "note": "ü" * 205_000}, {"order_id": 7}, "an item of 4100[0-9][0-9] bytes; 409587 at most"),
    ):
        with pytest.raises(UsageError, match=message):
            formed(body, given, columns)  # type: ignore[arg-type]


def test_a_numbers_key_is_an_attribute_of_its_own() -> None:
    body = '\n    table: numbered\n    from: orders\n    key: {id: "{order_id}"}\n    include: [status]\n'
    assert json.loads(formed(body, {"id": Decimal(7), "status": "x"}).item) == {"id": {"N": "7"}, "status": {"S": "x"}}
    assert json.loads(formed(body, {"status": "x"}, {"order_id": 7}).key) == {"id": {"N": "7"}}


def test_whose_item_it_is_stands_in_it_where_the_key_does_not_tell() -> None:
    lower = '\n    table: small\n    from: orders\n    key: {pk: "{status:lower}", sk: x}\n    include: [status%s]\n'
    assert formed(ORDER, KEY).owner is None
    assert formed(lower % ", order_id", {"status": "A", "order_id": 7}).owner == '{"order_id":"7"}'
    assert formed(lower % "", {"status": "A"}, {"order_id": 7}).owner == '{"order_id":"7"}'
    assert formed(lower % "", {"status": "A"}, owner='{"order_id":"8"}').owner == '{"order_id":"8"}'
    with pytest.raises(UsageError, match="`order_id` tells whose item it is"):
        formed(lower % "", {"status": "A"})
