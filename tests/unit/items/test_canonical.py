from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.items.canonical import canonical_item, canonical_value, digest, quote
from pipelines.items.reject import RejectReason, Unrepresentable

pytestmark = pytest.mark.unit


def nested(levels: int, kind: str = "M") -> dict[str, Any]:
    """A scalar with `levels` containers around it."""
    value: dict[str, Any] = {"S": "leaf"}
    for _ in range(levels):
        value = {"M": {"n": value}} if kind == "M" else {"L": [value]}
    return value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", '"plain"'),
        ('say "no"', r'"say \"no\""'),
        ("a\\b/c", r'"a\\b/c"'),
        ("\b\t\n\f\r", r'"\b\t\n\f\r"'),
        ("\x00\x1f\x0b", r'"\u0000\u001F\u000B"'),
        ("\\u001f", r'"\\u001f"'),
        ("\\\x1f", r'"\\\u001F"'),
        ("\x7f\x80\u2028é漢😀", '"\x7f\x80\u2028é漢😀"'),
    ],
)
def test_one_escaping_rule(text: str, expected: str) -> None:
    assert quote(text) == expected
    assert json.loads(expected) == text


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "é\udc00"])
def test_a_lone_surrogate_is_refused(text: str) -> None:
    with pytest.raises(Unrepresentable) as caught:
        quote(text)
    assert caught.value.reason is RejectReason.INVALID_TEXT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"N": "1.50"}, '{"N":"1.5"}'),
        ({"N": "-0"}, '{"N":"0"}'),
        ({"BOOL": True}, '{"BOOL":true}'),
        ({"NULL": True}, '{"NULL":true}'),
        ({"B": b"\xff\x00"}, '{"B":"/wA="}'),
        ({"B": "/wB="}, '{"B":"/wA="}'),  # the spare bits of the last digit are no data
        ({"L": []}, '{"L":[]}'),
        ({"L": [{"S": ""}, {"NULL": True}]}, '{"L":[{"S":""},{"NULL":true}]}'),
        ({"M": {}}, '{"M":{}}'),
        (
            {"M": {"b": {"N": "1"}, "B": {"N": "2"}, "é": {"N": "3"}}},
            '{"M":{"B":{"N":"2"},"b":{"N":"1"},"é":{"N":"3"}}}',
        ),
        ({"SS": ["b", "\U00010000", "\uffff", "B"]}, '{"SS":["B","b","\uffff","\U00010000"]}'),
        ({"NS": ["10", "9.0", "-1E0"]}, '{"NS":["-1","10","9"]}'),
        ({"BS": [b"b", "YQ=="]}, '{"BS":["YQ==","Yg=="]}'),
    ],
)
def test_every_type(value: dict[str, Any], expected: str) -> None:
    assert canonical_value(value) == expected


@pytest.mark.parametrize("value", [{"SS": ["a", "a"]}, {"NS": ["1", "1.0"]}, {"BS": ["YQ==", b"a"]}])
def test_a_member_twice_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(Unrepresentable) as caught:
        canonical_value(value)
    assert caught.value.reason is RejectReason.SET_NULL_OR_DUPLICATE


@pytest.mark.parametrize("value", [{}, {"S": "a", "N": "1"}, {"X": "a"}, {"B": "no base64!"}])
def test_what_is_no_attribute_value(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"AttributeValue|DynamoDB type|base64"):
        canonical_value(value)


@pytest.mark.parametrize("kind", ["M", "L"])
def test_a_scalar_inside_31_containers_is_the_deepest(kind: str) -> None:
    assert canonical_item({"a": nested(31, kind)})
    with pytest.raises(Unrepresentable) as caught:
        canonical_item({"a": nested(32, kind)})
    assert caught.value.reason is RejectReason.NESTED_TOO_DEEP


@pytest.mark.parametrize("name", ["", "n" * 65_536, "é" * 32_768])
def test_names_that_dynamodb_refuses(name: str) -> None:
    with pytest.raises(Unrepresentable) as caught:
        canonical_item({name: {"S": "x"}})
    assert caught.value.reason is RejectReason.ATTRIBUTE_NAME


def test_the_longest_name() -> None:
    assert canonical_item({"é" * 32_767: {"S": "x"}})


def test_the_digest_is_sha256_of_utf8() -> None:
    # printf '{"a":{"S":"é"}}' | sha256sum
    assert digest('{"a":{"S":"é"}}').hex() == "4803be016391b2d1c2e768637602c6e73fc313b7e808cc259af435883e061479"
