"""Statements joined from items' texts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.items.canonical import canonical_item
from pipelines.target.insert import attributes, body, insert

pytestmark = pytest.mark.unit

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text('"\\{}[]:, \n\x1f', max_size=8)
_LEAVES = (
    st.builds(lambda text: {"S": text}, _TEXT)
    | st.integers(-(10**9), 10**9).map(lambda number: {"N": str(number)})
    | st.booleans().map(lambda truth: {"BOOL": truth})
    | st.just({"NULL": True})
    | st.binary(max_size=9).map(lambda content: {"B": content})
    | st.sets(_TEXT, min_size=1, max_size=3).map(lambda texts: {"SS": sorted(texts)})
)
_NAMES = _TEXT.filter(bool)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: {"L": values})
        | st.dictionaries(_NAMES, inner, max_size=3).map(lambda values: {"M": values})
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=6))
def test_an_item_is_taken_apart_as_a_json_parser_does(item: dict[str, dict[str, object]]) -> None:
    text = canonical_item(item)
    names, values = attributes(text)
    assert {json.loads(name): json.loads(value) for name, value in zip(names, values, strict=True)} == json.loads(text)
    assert "{" + ",".join(f"{name}:{value}" for name, value in zip(names, values, strict=True)) + "}" == text


def test_a_statement_and_its_parameters() -> None:
    text = insert("my.shop-1", '{"pk":{"S":"it\'s \\"a\\""},"total":{"N":"1.5"},"v v":{"L":[{"M":{}}]}}')
    assert json.loads(text or "") == {
        "Statement": "INSERT INTO \"my.shop-1\" VALUE {'pk': ?, 'total': ?, 'v v': ?}",
        "Parameters": [{"S": 'it\'s "a"'}, {"N": "1.5"}, {"L": [{"M": {}}]}],
    }
    assert json.loads(body([text or "", text or ""]))["Statements"] == [json.loads(text or "")] * 2


@pytest.mark.parametrize("name", ["it's", 'a"b', "a\\b", "größe", "a\nb", "`a`", "?", "a{b"])
def test_a_name_that_a_statement_may_not_say(name: str) -> None:
    assert insert("shop", canonical_item({"pk": {"S": "x"}, name: {"S": "y"}})) is None


def test_a_statement_is_at_most_8192_characters() -> None:
    fitting = {f"attribute_{number:04}": {"S": "x"} for number in range(380)}
    text = insert("shop", canonical_item(fitting))
    assert text is not None and len(json.loads(text)["Statement"]) < 8_192
    long = fitting | {f"attribute_{number:04}": {"S": "x"} for number in range(500)}
    assert insert("shop", canonical_item(long)) is None
