from __future__ import annotations

import pytest

from pipelines.items.array_text import ArrayElements, flat, parse_array

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("literal", "elements"),
    [
        ("{}", []),
        ("{a}", ["a"]),
        ("{a,b,c}", ["a", "b", "c"]),
        ('{""}', [""]),
        ('{NULL,"NULL","null"}', [None, "NULL", "null"]),
        (r'{"a \"b\"","c\\d","{e}","f,g"}', ['a "b"', r"c\d", "{e}", "f,g"]),
        (r'{"\\\\","\\\""}', ["\\\\", '\\"']),
        ('{" lead","trail ","a b","new\nline"}', [" lead", "trail ", "a b", "new\nline"]),
        ("{a\u00a0b,\u2003,\x1f,\x85}", ["a\u00a0b", "\u2003", "\x1f", "\x85"]),  # not quoted by PostgreSQL
        ("{{1,2},{3,4}}", [["1", "2"], ["3", "4"]]),
        ("{{{1},{NULL}}}", [[["1"], [None]]]),
        ("[0:2]={a,b,c}", ["a", "b", "c"]),
        ("[-1:0][2:3]={{a,b},{c,d}}", [["a", "b"], ["c", "d"]]),
        (r'{"\\x00ff","\\x"}', [r"\x00ff", r"\x"]),
        ('{é,"漢 字",😀}', ["é", "漢 字", "😀"]),
    ],
)
def test_what_array_out_prints(literal: str, elements: ArrayElements) -> None:
    assert parse_array(literal) == elements


def test_the_delimiter_of_boxes() -> None:
    assert parse_array("{(1,1),(0,0);(2,2),(0,0)}", ";") == ["(1,1),(0,0)", "(2,2),(0,0)"]


@pytest.mark.parametrize(
    "literal",
    ["", "a", "{", "}", "{a", "a}", "{a}}", "{a}{b}", "{a,}", "{,a}", "{a,,b}", '{"a}', '{"a"b}', "{a}x", "{{a},}"],
)
def test_what_is_no_array_literal(literal: str) -> None:
    with pytest.raises(ValueError, match="not an array literal"):
        parse_array(literal)


def test_an_array_of_one_dimension_is_flat() -> None:
    assert flat(["a", None]) == ["a", None]
    assert flat([]) == []
    assert flat([["a"]]) is None
