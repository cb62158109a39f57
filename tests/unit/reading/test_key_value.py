"""A key attribute's value from Python values of the columns; each expectation is written out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from pipelines.errors import UsageError
from pipelines.items.source_type import Encoding, Kind, SourceType
from pipelines.mapping.plan import ColumnValue, Format, KeyType, Placeholder, Template, TemplateValue
from pipelines.reading.cursor import from_cursor, to_cursor
from pipelines.reading.key_value import KeyValue
from pipelines.reading.sort_range import SortRange, sort_range

PARIS = timezone(timedelta(hours=1))
MOMENT = datetime(2026, 1, 1, 0, 30, tzinfo=PARIS)


def of_kind(kind: Kind, name: str = "") -> SourceType:
    return SourceType(name=name or kind.value, kind=kind)


def column(kind: Kind, encoding: Encoding, key_type: KeyType, name: str = "") -> KeyValue:
    return KeyValue("thing", "sk", key_type, ColumnValue("c", of_kind(kind, name), encoding), 1024)


def template(*parts: str | Placeholder) -> KeyValue:
    return KeyValue("thing", "sk", KeyType.S, TemplateValue(Template("", parts)), 1024)


def placeholder(name: str, kind: Kind = Kind.TEXT, format: Format | None = None) -> Placeholder:
    return Placeholder((), name, of_kind(kind), format)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (column(Kind.INTEGER, Encoding.N, KeyType.N), 7, {"N": "7"}),
        (column(Kind.INTEGER, Encoding.S, KeyType.S), 7, {"S": "7"}),
        (column(Kind.NUMERIC, Encoding.N, KeyType.N), Decimal("1.500"), {"N": "1.5"}),
        (column(Kind.FLOAT8, Encoding.N, KeyType.N), 0.1, {"N": "0.1"}),
        (column(Kind.BYTES, Encoding.B, KeyType.B), b"\x00\xff", {"B": b"\x00\xff"}),
        (column(Kind.CHAR, Encoding.S, KeyType.S, "character(4)"), "ab", {"S": "ab  "}),
        (column(Kind.UUID, Encoding.S, KeyType.S), UUID(int=10), {"S": "00000000-0000-0000-0000-00000000000a"}),
        (
            column(Kind.UUID, Encoding.S, KeyType.S),
            "0000000000000000000000000000000A",
            {"S": "00000000-0000-0000-0000-00000000000a"},
        ),
        (column(Kind.DATE, Encoding.S, KeyType.S), date(2026, 1, 2), {"S": "2026-01-02"}),
        (column(Kind.TIMESTAMPTZ, Encoding.S, KeyType.S), MOMENT, {"S": "2025-12-31T23:30:00.000000Z"}),
        (column(Kind.TIMESTAMPTZ, Encoding.EPOCH_MILLIS, KeyType.N), MOMENT, {"N": "1767223800000"}),
        (
            template("D#", placeholder("c", Kind.TIMESTAMPTZ, Format(strftime="%Y-%m-%d"))),
            MOMENT,
            {"S": "D#2025-12-31"},
        ),
        (template("I#", placeholder("c", Kind.BOOLEAN)), True, {"S": "I#true"}),
    ],
)
def test_a_value_as_the_items_have_it(key: KeyValue, value: object, expected: dict[str, object]) -> None:
    assert key.of({"c": value}) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.INTEGER, True),
        (Kind.INTEGER, "secret"),
        (Kind.INTEGER, None),
        (Kind.NUMERIC, "secret"),
        (Kind.NUMERIC, float("nan")),
        (Kind.UUID, "secret"),
        (Kind.TEXT, 5),
        (Kind.DATE, datetime(2026, 1, 1)),
        (Kind.TIMESTAMPTZ, datetime(2026, 1, 1)),
        (Kind.TIMESTAMP, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_another_python_type_is_refused_without_its_value(kind: Kind, value: object) -> None:
    with pytest.raises(UsageError, match=r"`c` is .*: give ") as refused:
        template("X#", placeholder("c", kind)).of({"c": value})
    assert "secret" not in str(refused.value)


def test_an_empty_or_long_key_is_refused() -> None:
    key = column(Kind.TEXT, Encoding.S, KeyType.S)
    with pytest.raises(UsageError, match="it is empty"):
        key.of({"c": ""})
    with pytest.raises(UsageError, match="1025 bytes, 1024 at most"):
        key.of({"c": "é" * 512 + "x"})


DAY = placeholder("day", Kind.DATE, Format(strftime="%Y-%m-%d"))
PAD = placeholder("n", Kind.INTEGER, Format(pad=3))


@pytest.mark.parametrize(
    ("key", "between", "expected"),
    [
        (template("A#", PAD), {"n": (1, 20)}, ("BETWEEN", "A#001", "A#020")),
        (template("A#", PAD, "#Z"), {"n": (1, 20)}, ("BETWEEN", "A#001", "A#021")),
        (template("A#", PAD, "#Z"), {"n": (1, 29)}, ("BETWEEN", "A#001", "A#02:")),
        (template("A#", PAD), {"n": (None, 20)}, ("BETWEEN", "A#", "A#020")),
        (template("A#", PAD), {"n": (1, None)}, ("BETWEEN", "A#001", "A$")),
        (template(PAD, "#Z"), {"n": (1, None)}, (">=", "001")),
        (template(PAD, "#Z"), {"n": (None, 1)}, ("<=", "002")),
        (template(DAY), {"day": (date(2026, 1, 1), date(2026, 1, 2))}, ("BETWEEN", "2026-01-01", "2026-01-02")),
    ],
)
def test_between(key: KeyValue, between: dict[str, tuple[object, object]], expected: tuple[str, ...]) -> None:
    operator, *texts = expected
    assert sort_range(key, {}, {}, between) == SortRange(operator, tuple({"S": text} for text in texts))


@pytest.mark.parametrize(
    ("key", "name", "ends"),
    [
        (template("A#", placeholder("n", Kind.INTEGER)), "n", (1, 2)),
        (template("A#", placeholder("n", Kind.INTEGER, Format(modulus=8))), "n", (1, 2)),
        (template("A#", placeholder("c"), "#"), "c", ("a", "b")),
        (template(placeholder("c", Kind.DATE, Format(strftime="%d.%m.%Y"))), "c", (date.min, date.max)),
        (column(Kind.INTEGER, Encoding.S, KeyType.S), "c", (1, 2)),
    ],
)
def test_between_where_the_key_has_another_order(key: KeyValue, name: str, ends: tuple[object, object]) -> None:
    with pytest.raises(UsageError, match="not in the order of"):
        sort_range(key, {}, {}, {name: ends})


def test_begins_has_the_format_of_its_place() -> None:
    escaped = template("A#", placeholder("c", format=Format(escape="#")), "#", PAD)
    assert sort_range(escaped, {}, {"c": "50%#"}, {}) == SortRange("begins_with", ({"S": "A#50%25%23"},))
    lower = template(placeholder("c", format=Format(case="lower")))
    assert sort_range(lower, {}, {"c": "AB"}, {}) == SortRange("begins_with", ({"S": "ab"},))


def test_leading_columns() -> None:
    key = template("A#", placeholder("c", format=Format(escape="#")), "#", PAD)
    assert sort_range(key, {"c": "a"}, {}, {}) == SortRange("begins_with", ({"S": "A#a#"},))
    assert sort_range(key, {"c": "a", "n": 1}, {}, {}) == SortRange("=", ({"S": "A#a#001"},))
    with pytest.raises(UsageError, match="`n` comes after `c`"):
        sort_range(key, {"n": 1}, {}, {})
    with pytest.raises(UsageError, match="nothing stands between"):
        sort_range(template(placeholder("a"), placeholder("b")), {"a": "x"}, {}, {})


def test_a_cursor_is_safe_in_urls_and_keeps_bytes() -> None:
    key: dict[str, dict[str, Any]] = {"pk": {"S": "ä?>/é"}, "sk": {"B": b"\xff\xfe"}}
    shape, fixed = {"pk": "S", "sk": "B"}, {"pk": {"S": "ä?>/é"}}
    cursor = to_cursor({"q": 1}, key)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert from_cursor({"q": 1}, cursor, shape, fixed) == key


def test_a_forged_cursor_leads_into_no_other_collection() -> None:
    cursor = to_cursor({"q": 1}, {"pk": {"S": "theirs"}, "sk": {"S": "1"}})
    cases: list[tuple[dict[str, str], dict[str, dict[str, str]]]] = [
        ({"pk": "S", "sk": "S"}, {"pk": {"S": "mine"}}),
        ({"pk": "S", "sk": "N"}, {"pk": {"S": "theirs"}}),
    ]
    for shape, fixed in cases:
        with pytest.raises(UsageError, match="none of ours"):
            from_cursor({"q": 1}, cursor, shape, fixed)
