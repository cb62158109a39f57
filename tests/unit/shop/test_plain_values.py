"""The second opinion's own rules, each by an example worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tests.oracle.independent_check import comparable, problems_of
from tests.oracle.plain_values import digits, escaped, folded, local_moment, millis, moment, number, seconds
from tests.oracle.shop_rows import Row, in_order

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("given", "text"), [("1.50", "1.5"), ("1E+2", "100"), ("-0", "0"), ("0.00", "0"), ("-1.5e-7", "-0.00000015")]
)
def test_digits(given: str, text: str) -> None:
    assert digits(Decimal(given)) == text


def test_a_number_keeps_all_of_38_digits() -> None:
    assert str(number("1234567890123456789012345678901234567.80")) == "1234567890123456789012345678901234567.8"


def test_moments_are_in_utc_and_of_one_width() -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))
    assert moment(datetime(2024, 2, 29, 0, 0, tzinfo=nepal)) == "2024-02-28T18:15:00.000000Z"
    assert local_moment(datetime(1, 1, 1, microsecond=7)) == "0001-01-01T00:00:00.000007"


def test_epochs_round_down() -> None:
    just_before = datetime(1969, 12, 31, 23, 59, 59, 999_999)
    assert millis(just_before) == seconds(just_before) == -1
    assert millis(datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC)) == 1999


def test_case_changes_only_where_one_letter_becomes_one() -> None:
    assert folded("Straße ÀΣ", str.upper) == "STRAßE ÀΣ"
    assert folded("İΣ", str.lower) == "İσ"


def test_the_separator_and_the_percent_sign_are_escaped() -> None:
    assert escaped("a#b%c/d", "#") == "a%23b%25c/d"


def test_nulls_come_last_in_both_directions_and_ties_keep_their_order() -> None:
    rows: list[Row] = [{"id": 1, "n": None}, {"id": 2, "n": 1}, {"id": 3, "n": 5}, {"id": 4, "n": 1}]
    assert [row["id"] for row in in_order(rows, "n")] == [2, 4, 3, 1]
    assert [row["id"] for row in in_order(rows, "-n")] == [3, 2, 4, 1]


def test_problems_name_the_path() -> None:
    place = ("shop", ("S", "a"), ("S", "b"))
    expected = {"lines": comparable({"L": [{"M": {"n": {"N": "1.0"}}}, {"SS": ["x", "y"]}]})}
    found = {"lines": comparable({"L": [{"M": {"n": {"N": "2"}}}, {"SS": ["y", "x"]}, {"BOOL": False}]})}
    problems = problems_of({place: expected}, {place: found})
    assert [problem.path for problem in problems] == ["lines[0].n", "lines[2]"]


def test_equal_values_written_otherwise_are_no_problem() -> None:
    assert comparable({"N": "1.50"}) == comparable({"N": "1.5"})
    assert comparable({"NS": ["1", "2.0"]}) == comparable({"NS": ["2", "1"]})
    assert comparable({"N": "1"}) != comparable({"S": "1"})
    assert comparable({"BOOL": True}) != comparable({"N": "1"})
