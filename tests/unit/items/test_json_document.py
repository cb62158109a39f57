from __future__ import annotations

import sys

import pytest

from pipelines.items.json_document import json_document
from pipelines.items.reject import RejectReason, Unrepresentable

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("null", '{"NULL":true}'),
        ("true", '{"BOOL":true}'),
        ('""', '{"S":""}'),
        ('"a\\u00e9\\ud83d\\ude00\\n\\u001f"', '{"S":"aé😀\\n\\u001F"}'),
        ("1.10", '{"N":"1.1"}'),
        ("-0.0", '{"N":"0"}'),
        ("1e2", '{"N":"100"}'),
        ("12345678901234567890123456789012345678", '{"N":"12345678901234567890123456789012345678"}'),
        ("0.1234567890123456789012345678901234567", '{"N":"0.1234567890123456789012345678901234567"}'),
        ("[]", '{"L":[]}'),
        ("{}", '{"M":{}}'),
        (
            ' { "b" : [ 1 , null , {} ] , "a" : "x" } ',
            '{"M":{"a":{"S":"x"},"b":{"L":[{"N":"1"},{"NULL":true},{"M":{}}]}}}',
        ),
        ('{"a":"[[[{{{","b":"\\"["}', '{"M":{"a":{"S":"[[[{{{"},"b":{"S":"\\"["}}}'),
    ],
)
def test_documents(text: str, fragment: str) -> None:
    assert json_document(text) == fragment


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", RejectReason.INVALID_JSON),
        ("nul", RejectReason.INVALID_JSON),
        ("[1,]", RejectReason.INVALID_JSON),
        ("01", RejectReason.INVALID_JSON),
        ("{'a':1}", RejectReason.INVALID_JSON),
        ("1 2", RejectReason.INVALID_JSON),
        ('"\n"', RejectReason.INVALID_JSON),
        ("NaN", RejectReason.INVALID_JSON),
        ("[-Infinity]", RejectReason.INVALID_JSON),
        ("\ufeff1", RejectReason.INVALID_JSON),
        ("\u00a01", RejectReason.INVALID_JSON),
        ('{"a":1,"a":1}', RejectReason.INVALID_JSON),
        ('[{"x":{"a":1,"\\u0061":2}}]', RejectReason.INVALID_JSON),
        ('{"":1}', RejectReason.ATTRIBUTE_NAME),
        ('"\\ud800"', RejectReason.INVALID_TEXT),
        ('{"\\udc00":1}', RejectReason.INVALID_TEXT),
        ('{"' + "k" * 20_000 + '\\udc00":1}', RejectReason.INVALID_TEXT),
        ("1" * 39, RejectReason.NUMBER_OUT_OF_RANGE),
        ("1" * 10_000, RejectReason.NUMBER_OUT_OF_RANGE),
        ("1e999", RejectReason.NUMBER_OUT_OF_RANGE),
        ("[" * 32 + "1" + "]" * 32, RejectReason.NESTED_TOO_DEEP),
        ('{"a":' * 32 + "1" + "}" * 32, RejectReason.NESTED_TOO_DEEP),
        ("[" * 100_000 + "]" * 100_000, RejectReason.NESTED_TOO_DEEP),
        ("[" * 100_000, RejectReason.NESTED_TOO_DEEP),
        ('{"a":' * 100_000, RejectReason.NESTED_TOO_DEEP),
        ('["\\""' + ",[" * 100_000, RejectReason.NESTED_TOO_DEEP),
    ],
)
def test_refused_documents(text: str, reason: RejectReason) -> None:
    with pytest.raises(Unrepresentable) as caught:
        json_document(text)
    assert caught.value.reason is reason


def test_31_containers_around_a_scalar() -> None:
    assert json_document("[" * 31 + "1" + "]" * 31).count("L") == 31
    assert json_document("[" * 32 + "]" * 32).count("L") == 32


def test_the_containers_around_the_document_count() -> None:
    assert json_document("[" * 21 + "1" + "]" * 21, depth=10)
    with pytest.raises(Unrepresentable) as caught:
        json_document("[" * 22 + "1" + "]" * 22, depth=10)
    assert caught.value.reason is RejectReason.NESTED_TOO_DEEP


def test_wide_documents_are_not_deep() -> None:
    assert json_document("[" + ",".join(["[[]]"] * 1000) + "]").count("L") == 2001


def test_the_answer_does_not_depend_on_the_callers_stack() -> None:
    def below(frames: int) -> str:
        return below(frames - 1) if frames else json_document("[" * 31 + "1" + "]" * 31)

    assert below(sys.getrecursionlimit() - 300)
