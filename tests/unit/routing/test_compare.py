"""Where two answers differ, told without a value of either."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from pipelines.routing.compare import MOST, Difference, differences
from pipelines.routing.options import Options

pytestmark = pytest.mark.unit


@dataclass
class Line:
    price: Any


@pytest.mark.parametrize(
    ("rds", "dynamodb", "found"),
    [
        ({"a": 1}, {"a": Decimal(1)}, []),
        ({"a": 1}, {"a": True}, [("a", "type")]),
        ({"a": 1}, {"a": "1"}, [("a", "type")]),
        ({"a": None}, {}, [("a", "missing")]),
        ({}, {"a": None}, [("a", "extra")]),
        ([1, 2], [1], [("[]", "length")]),
        ((1, 2), [1, 3], [("[]", "value")]),
        ({"lines": [Line(1)]}, {"lines": [Line(2)]}, [("lines[].price", "value")]),
        ({"ann@example.org": 1}, {"ann@example.org": 2}, [("*", "value")]),
        ({1, 2}, frozenset([2, 1]), []),
        (float("nan"), float("nan"), []),
        (None, {"a": 1}, [("", "type")]),
    ],
)
def test_places_and_kinds(rds: object, dynamodb: object, found: list[tuple[str, str]]) -> None:
    assert differences(rds, dynamodb) == tuple(Difference(*one) for one in found)


def test_ignored_paths_are_those_and_what_is_below() -> None:
    rds = {"at": {"x": 1}, "att": 1, "lines": [{"n": 1, "m": 1}]}
    other = {"at": {"x": 2}, "att": 2, "lines": [{"n": 2, "m": 2}]}
    assert differences(rds, other, ["at", "lines[].n"]) == (
        Difference("att", "value"),
        Difference("lines[].m", "value"),
    )


def test_no_more_than_so_many_are_told() -> None:
    assert len(differences(dict.fromkeys(map("k{}".format, range(100)), 1), {})) == MOST


def test_clean_and_compare_are_the_applications() -> None:
    assert Options(clean=str.lower).differences("A", "a") == ()
    assert Options(compare=lambda one, other: False).differences("a", "a") == (Difference("", "differs"),)
    assert Options(clean=lambda one: one["x"]).differences("a", "a") == (Difference("", "error"),)
