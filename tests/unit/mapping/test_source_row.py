from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from pipelines.items.source_type import RAW_SUFFIX, TEMPORAL, Kind, SourceType
from pipelines.mapping.plan import OrderTerm
from pipelines.mapping.source_row import SourceRow, in_order, match_text

pytestmark = pytest.mark.unit


def of(kind: Kind) -> SourceType:
    return SourceType(name=kind.value, kind=kind)


def row(kind: Kind, value: Any, key: int = 0) -> SourceRow:
    """A time given as a text is a raw one."""
    if kind not in TEMPORAL:
        return SourceRow({"a": value, "id": key})
    is_raw = isinstance(value, str)
    return SourceRow({"a": None if is_raw else value, "a" + RAW_SUFFIX: value if is_raw else None, "id": key})


def shown(row: SourceRow) -> Any:
    value = row.value("a")
    return row.physical.get("a" + RAW_SUFFIX) if value is None else value


ASCENDING = [
    (Kind.INTEGER, [-5, 0, 3, 20]),
    (Kind.NUMERIC, ["-Infinity", "-10", "-9.5", "0", "0.10", "9", "10", "1e3", "Infinity", "NaN"]),
    (Kind.FLOAT8, ["-Infinity", "-1e+20", "-0.5", "1e-07", "2", "1e+20", "Infinity", "NaN"]),
    (Kind.TEXT, ["", "B", "a", "aa", "é", "\uffff", "\U00010000"]),
    (Kind.CHAR, ["a   ", "a\t  ", "b   "]),
    (Kind.BOOLEAN, [False, True]),
    (Kind.BYTES, [b"", b"\x00", b"\x7f", b"\x80", b"\x80\x00"]),
    (
        Kind.DATE,
        [
            "-infinity",
            "0045-01-01 BC",
            "0044-03-14 BC",
            "0044-03-15 BC",
            date(1, 1, 1),
            date(2026, 1, 1),
            "10000-01-01",
            "20000-01-01",
            "infinity",
        ],
    ),
    (
        Kind.TIMESTAMP,
        [
            "-infinity",
            "0001-12-31 23:59:59 BC",
            "0001-12-31 23:59:59.5 BC",
            datetime(1, 1, 1),
            "10000-01-01 00:00:00",
            "10000-01-01 00:00:00.1",
            "infinity",
        ],
    ),
    (
        Kind.TIMESTAMPTZ,
        [
            "-infinity",
            "0001-12-31 23:59:59+00 BC",
            datetime(2, 1, 1, tzinfo=UTC),
            "10000-01-01 00:00:00+00",
            "10000-01-01 00:00:00.1+00",
            "infinity",
        ],
    ),
]


@pytest.mark.parametrize(("kind", "values"), ASCENDING)
@pytest.mark.parametrize("descending", [False, True])
def test_nulls_come_last_in_either_direction(kind: Kind, values: list[Any], descending: bool) -> None:
    rows = [row(kind, value) for value in [None, *reversed(values[::2]), *values[1::2]]]
    expected = [*(reversed(values) if descending else values), None]
    assert [shown(found) for found in in_order(rows, [OrderTerm("a", of(kind), descending)])] == expected


def test_ties_go_to_the_next_term() -> None:
    rows = [row(Kind.NUMERIC, "1.0", 3), row(Kind.NUMERIC, "1", 1), row(Kind.NUMERIC, "1.00", 2)]
    terms = [OrderTerm("a", of(Kind.NUMERIC), True), OrderTerm("id", of(Kind.INTEGER), False)]
    assert [found.value("id") for found in in_order(rows, terms)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Kind.NUMERIC, "1.50", "1.5"),
        (Kind.NUMERIC, "-0.0", "0"),
        (Kind.CHAR, "a  ", "a     "),
        (Kind.TIMESTAMPTZ, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_is_equal_in_a_join(kind: Kind, one: Any, other: Any) -> None:
    assert match_text(row(kind, one), "a", of(kind)) == match_text(row(kind, other), "a", of(kind))


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Kind.TEXT, "a ", "a"),
        (Kind.TEXT, "A", "a"),
        (Kind.TEXT, "1.0", "1"),
        (Kind.NUMERIC, "NaN", "Infinity"),
        (Kind.BYTES, b"", b"\x00"),
        (Kind.DATE, "infinity", "-infinity"),
        (Kind.BOOLEAN, True, False),
    ],
)
def test_what_differs_in_a_join(kind: Kind, one: Any, other: Any) -> None:
    assert match_text(row(kind, one), "a", of(kind)) != match_text(row(kind, other), "a", of(kind))


@pytest.mark.parametrize("kind", list(Kind))
def test_null_matches_nothing(kind: Kind) -> None:
    assert match_text(row(kind, None), "a", of(kind)) is None
