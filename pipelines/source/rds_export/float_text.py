"""Floats as PostgreSQL prints them from version 12 on: its own digits, its own layout.

https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT ("shortest-precise")
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np

from pipelines.items.source_type import Kind

_TEXT = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?", re.ASCII)
_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_EXACT = {Kind.FLOAT4: 2.0**21, Kind.FLOAT8: 2.0**51}
_MOST_DIGITS = {Kind.FLOAT4: 9, Kind.FLOAT8: 17}


def inside_its_bounds(text: str, kind: Kind) -> str:
    """The shortest digits whose value is nearer to this float than to its neighbours.

    Where the shortest digits are right in the middle between two floats, they are read as the even one of them; Arrow
    and Python print these, PostgreSQL one digit more. It takes large floats for a middle to have so few digits.
    """
    value = abs(float(text))
    if text in _NAMES or value < _EXACT[kind]:
        return text
    if kind is Kind.FLOAT4:
        value = float(np.float32(value))
    below, above = _bounds(value, kind)
    sign = "-" if text.startswith("-") else ""
    return next(
        sign + digits
        for digits in (text.lstrip("-"), *(f"{value:.{n}e}" for n in range(_MOST_DIGITS[kind])))
        if below < Fraction(digits) < above
    )


def _bounds(value: float, kind: Kind) -> tuple[Fraction, Fraction]:
    """The middles between a positive float and its neighbours; beyond the largest there is as much as before it."""
    if kind is Kind.FLOAT4:
        with np.errstate(over="ignore"):
            down, up = (float(np.nextafter(np.float32(value), np.float32(to))) for to in (0.0, math.inf))
    else:
        down, up = math.nextafter(value, 0.0), math.nextafter(value, math.inf)
    exact = Fraction(value)
    up_gap = exact - Fraction(down) if math.isinf(up) else Fraction(up) - exact
    return (Fraction(down) + exact) / 2, exact + up_gap / 2


def laid_out(text: str, most: int) -> str:
    """Arrow's shortest text in PostgreSQL's layout (its `double_to_shortest_decimal_buf`)."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return _NAMES[text]
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or 0)
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return f"{sign}0"
    first = len(digits) - 1 - len(fraction) + exponent  # the power of ten of the first digit
    digits = digits.rstrip("0")
    if not -4 <= first < most:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{rest}e{first:+03d}"
    if first < 0:
        return f"{sign}0.{'0' * (-first - 1)}{digits}"
    before = digits[: first + 1].ljust(first + 1, "0")
    return f"{sign}{before}.{digits[first + 1 :]}" if len(digits) > first + 1 else f"{sign}{before}"
