"""Numbers in DynamoDB's range, in plain normal form: `1.50` → `1.5`, `1E+2` → `100`, `-0` → `0`.

Range and precision: up to 38 significant digits, magnitudes from 1E-130 to 9.9999999999999999999999999999999999999E+125
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from __future__ import annotations

import re
from decimal import Decimal

from pipelines.items.reject import RejectReason, Unrepresentable

MAX_DIGITS = 38
MAX_EXPONENT = 125  # of the first significant digit
MIN_EXPONENT = -130

_NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
_PLAIN = re.compile(r"0|-?[1-9]\d{0,37}|-?(?:0|[1-9]\d{0,18})\.\d{0,18}[1-9]", re.ASCII)
"""Most numbers: in plain normal form already, and within the range."""


def plain_number(text: str) -> str:
    """The plain normal form of a decimal number in any usual notation, without an upper limit on its length.

    Raises Unrepresentable (NOT_A_NUMBER) for NaN, infinities and anything that is no decimal number.
    """
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise Unrepresentable(RejectReason.NOT_A_NUMBER, "not a finite decimal number")
    sign, whole, fraction = match[1], match[2] or "", match[3] or ""
    exponent = match[4] or "0"
    if len(exponent.lstrip("+-0")) > 6:
        if not (whole + fraction).strip("0"):
            return "0"
        raise Unrepresentable(RejectReason.NUMBER_OUT_OF_RANGE, "exponent outside -130 .. 125")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + int(exponent)  # where the decimal point stands in `digits`
    digits = digits.rstrip("0")
    if not digits:
        return "0"
    if point <= 0:
        plain = "0." + "0" * -point + digits
    elif point >= len(digits):
        plain = digits + "0" * (point - len(digits))
    else:
        plain = f"{digits[:point]}.{digits[point:]}"
    return f"-{plain}" if sign == "-" else plain


def canonical_number(text: str) -> str:
    """`plain_number`, refused where DynamoDB could not hold every digit.

    Raises Unrepresentable (NUMBER_OUT_OF_RANGE): over 38 significant digits, or a magnitude outside the range.
    """
    if _PLAIN.fullmatch(text):
        return text
    plain = plain_number(text)
    if plain == "0":
        return plain
    whole, _, fraction = plain.lstrip("-").partition(".")
    digits = (whole + fraction).strip("0")
    if len(digits) > MAX_DIGITS:
        raise Unrepresentable(RejectReason.NUMBER_OUT_OF_RANGE, f"{len(digits)} significant digits, 38 at most")
    exponent = len(whole) - 1 if whole != "0" else -(len(fraction) - len(fraction.lstrip("0")) + 1)
    if not MIN_EXPONENT <= exponent <= MAX_EXPONENT:
        raise Unrepresentable(RejectReason.NUMBER_OUT_OF_RANGE, "magnitude outside 1E-130 .. 9.99E+125")
    return plain


def number_order(text: str) -> tuple[int, Decimal]:
    """Sorts numbers as PostgreSQL does: -Infinity, the finite ones by value, Infinity, NaN, which equals itself."""
    rank = {"-Infinity": -1, "Infinity": 1, "NaN": 2}.get(text, 0)
    return (rank, Decimal(0) if rank else Decimal(text))
