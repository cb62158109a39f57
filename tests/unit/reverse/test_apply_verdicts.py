"""The rules on hand-written readings where DynamoDB is the master: what the source has not yet is on its way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.judging.rules import Flags, Readings, Row, RowTwice, Stored, rule_on

pytestmark = pytest.mark.unit

LEADS = Flags(leads=True, first=10, never=20)


def ruled(rows: tuple[tuple[int, str], ...], stored: tuple[int, str], flags: Flags = LEADS) -> str:
    """Rows and what is stored: a version, and a content, `-` for none; the rows stand still."""
    found = tuple(Row(version, None if content == "-" else content.encode()) for version, content in rows)
    target = Stored(stored[0], None if stored[1] == "-" else stored[1].encode())
    ruling = rule_on(Readings(tuple(RowTwice(row, row) for row in found), target, flags))
    return f"{ruling.rule} {ruling.verdict}{' again' if ruling.again else ''}"


@pytest.mark.parametrize(
    ("row", "stored", "expected"),
    [
        ((12, "A"), (13, "B"), "follows pending again"),
        ((12, "A"), (13, "A"), "follows pending again"),  # even if equal
        ((12, "A"), (13, "-"), "follows pending again"),
        ((10, "-"), (13, "B"), "follows pending again"),  # no row
        ((12, "A"), (19, "B"), "follows pending again"),
        ((12, "A"), (20, "B"), "c ahead"),  # of an epoch that has not begun
        ((12, "A"), (12, "B"), "i mismatch"),
        ((12, "-"), (12, "B"), "i extra"),
        ((12, "A"), (12, "-"), "i missing"),
        ((12, "A"), (12, "A"), "f match"),
        ((12, "-"), (12, "-"), "f match"),
        ((13, "A"), (12, "B"), "m stale"),
        ((13, "-"), (12, "B"), "k extra"),
        ((13, "A"), (12, "-"), "l missing"),
    ],
)
def test_of_one_row(row: tuple[int, str], stored: tuple[int, str], expected: str) -> None:
    assert ruled((row,), stored) == expected


def test_of_two_rows_at_one_key() -> None:
    assert ruled(((12, "-"), (12, "A")), (13, "B")) == "owners pending again"
    assert ruled(((12, "-"), (12, "A")), (20, "B")) == "owners ahead"
    assert ruled(((12, "-"), (12, "A")), (12, "B")) == "owners mismatch"


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ((11, "B"), "follows pending again"),
        ((20, "B"), "c ahead"),
        ((10, "B"), "k extra"),  # no application has written it since
        ((11, "-"), "f match"),
    ],
)
def test_of_an_item_that_names_no_row(stored: tuple[int, str], expected: str) -> None:
    assert ruled((), stored) == expected


@pytest.mark.parametrize(
    ("rows", "stored", "expected"),
    [
        (((12, "A"),), (13, "B"), "c ahead"),
        (((12, "A"),), (13, "-"), "c ahead"),
        (((12, "A"),), (12, "B"), "i mismatch"),
        (((13, "A"),), (12, "B"), "m stale"),
        (((12, "-"), (12, "A")), (13, "B"), "owners ahead"),
        ((), (11, "B"), "c ahead"),
        ((), (10, "B"), "k extra"),
        ((), (11, "-"), "f match"),
    ],
)
def test_what_the_reverse_relay_has_told_is_on_its_way_no_more(
    rows: tuple[tuple[int, str], ...], stored: tuple[int, str], expected: str
) -> None:
    assert ruled(rows, stored, replace(LEADS, told=True)) == expected


def test_where_the_source_is_the_master_nothing_is_on_its_way() -> None:
    assert ruled(((12, "A"),), (13, "A"), Flags(first=10, never=20)) == "c ahead"
    assert ruled((), (11, "B"), Flags(first=10, never=20)) == "k extra"
