"""Whether a write whose answer was lost was carried out, by the marks of what is there."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.masters.history import MOST_MARKS, marks_of, marks_with, new_mark, was_written
from pipelines.masters.planned import first_version

pytestmark = pytest.mark.unit


def item(version: int, *marks: str) -> dict[str, Any]:
    return {"_v": {"N": str(version)}, "_w": {"S": "".join(marks)}}


def test_of_two_writes_of_one_version_only_one_is_there() -> None:
    assert was_written("mine01", 8, item(8, "mine01", "before")) is True
    assert was_written("mine01", 8, item(8, "other1", "before")) is False
    assert was_written("mine01", 8, item(8, "xmine0", "1other")) is False


def test_it_is_known_again_under_what_came_after_it() -> None:
    assert was_written("mine01", 8, item(10, "third3", "second", "mine01")) is True
    assert was_written("mine01", 8, item(10, "third3", "second", "other1")) is False
    assert was_written("mine01", 8, item(7, "before")) is False


def test_where_too_much_came_after_it_nothing_tells() -> None:
    assert was_written("mine01", 8, item(10, "third3", "second")) is None
    assert was_written("mine01", 8, {"_v": {"N": "8"}}) is None
    assert was_written("mine01", 8, None) is None


def test_the_newest_come_first_and_the_oldest_go() -> None:
    marks = ""
    made = [new_mark() for _ in range(MOST_MARKS + 3)]
    for mark in made:
        marks = marks_with(mark, marks)
    assert marks == "".join(reversed(made[3:]))
    assert marks_of({"_w": {"S": marks}}) == marks
    assert marks_of({"_w": {"S": "odd"}}) == marks_of({"_w": {"N": "1"}}) == marks_of(None) == ""


def test_an_item_begins_above_what_its_row_may_have_counted_before() -> None:
    now = 1_796_000_000.0  # 2026-11-30
    assert first_version(3, now) > 3 * 2**40 + 1_000_000
    assert first_version(3, now + 34 * 365 * 86_400 - 60_000_000) < 4 * 2**40
    assert first_version(3, now + 1) > first_version(3, now)
    assert first_version(3, 0.0) == 3 * 2**40 + 1
