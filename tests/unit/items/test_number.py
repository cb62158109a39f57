from __future__ import annotations

import pytest

from pipelines.items.number import canonical_number, plain_number
from pipelines.items.reject import RejectReason, Unrepresentable

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.00", "0"),
        ("-0e9", "0"),
        ("0e999999999999", "0"),
        ("007", "7"),
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1.50", "1.5"),
        ("-1.50", "-1.5"),
        ("100", "100"),
        ("1E+2", "100"),
        ("1e+20", "1" + "0" * 20),
        ("1.5e-07", "0.00000015"),
        ("12345e-2", "123.45"),
        ("0.001e3", "1"),
        ("1e125", "1" + "0" * 125),
        ("9" * 38 + "0" * 88, "9" * 38 + "0" * 88),
        ("1e-130", "0." + "0" * 129 + "1"),
        ("0." + "0" * 129 + "12345678901234567890123456789012345678", None),
        ("-" + "9" * 38, "-" + "9" * 38),
        ("1" + "0" * 60, "1" + "0" * 60),
    ],
)
def test_plain_normal_form(text: str, expected: str | None) -> None:
    assert canonical_number(text) == (text if expected is None else expected)
    assert canonical_number(canonical_number(text)) == canonical_number(text)


@pytest.mark.parametrize("text", ["9" * 39, "1." + "0" * 37 + "1", "1e126", "1e-131", "1e999999999", "-1e-99999999"])
def test_numbers_that_dynamodb_cannot_hold(text: str) -> None:
    with pytest.raises(Unrepresentable) as caught:
        canonical_number(text)
    assert caught.value.reason is RejectReason.NUMBER_OUT_OF_RANGE
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "NaN", "Infinity", "-Infinity", ".", "-", "e5", "1e", "1 ", "١", "0x1", "1_000", "1,5", "１"]
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(Unrepresentable) as caught:
        canonical_number(text)
    assert caught.value.reason is RejectReason.NOT_A_NUMBER


def test_a_plain_number_has_no_upper_limit() -> None:
    assert plain_number("1e200") == "1" + "0" * 200
