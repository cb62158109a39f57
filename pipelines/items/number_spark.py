"""Numbers as PostgreSQL prints them, in plain normal form and in DynamoDB's range: the Spark form of `items.number`.

Inputs are `-?digits[.digits]` for numeric; for floats also `-?d[.ddd]e±dd` and `-0`; besides these NaN and
±Infinity, whose plain form is meaningless. Nothing here raises in ANSI mode.
"""

from __future__ import annotations

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.number import MAX_DIGITS, MAX_EXPONENT, MIN_EXPONENT
from pipelines.items.problem_spark import Problem, first_problem, problem_when
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import Kind, SourceType
from pipelines.items.sql_text import Column


def plain_number(type: SourceType, value: Column) -> Column:
    """The plain normal form of a column of a number kind, as text."""
    match type.kind:
        case Kind.INTEGER:
            return value.cast("string")
        case Kind.NUMERIC:
            return value if type.scale == 0 and type.precision else _without_trailing_zeros(value)
        case _:
            plain = F.when(value.contains("e"), _expanded(value)).otherwise(_without_trailing_zeros(value))
            return F.when(value == "-0", F.lit("0")).otherwise(plain)


def number_size(plain: Column) -> Column:
    """Bytes of a plain number: one, one more for each two significant digits, one more below zero."""
    negative = plain.startswith("-").cast("int")
    return F.call("shiftright", _significant_digits(plain, negative) + 1, F.lit(1)) + 1 + negative


def integer_size(value: Column) -> Column:
    """`number_size` of an int64."""
    negative = (value < 0).cast("int")
    digits = F.octets(F.rtrim(value.cast("string"), "0")) - negative
    return F.call("shiftright", digits + 1, F.lit(1)) + 1 + negative


def number_problem(type: SourceType, value: Column, plain: Column | None = None) -> Problem | None:
    """What forbids the N encoding; None where the declared type rules every problem out.

    `plain` is what `plain_number` gives, where it is at hand already.
    """
    if type.kind is Kind.INTEGER:
        return None
    not_finite = value.isin("NaN", "Infinity", "-Infinity")
    problems = [problem_when(not_finite, RejectReason.NOT_A_NUMBER, F.lit("not a finite decimal number"))]
    if type.kind is Kind.FLOAT8:
        exponent = F.when(value.contains("e"), _exponent(value))
        problems.append(_magnitude_problem((exponent > MAX_EXPONENT) | (exponent < MIN_EXPONENT)))
    elif type.kind is Kind.NUMERIC and not _always_in_range(type):
        problems += _range_problems(plain_number(type, value) if plain is None else plain)
    return first_problem(problems)


def _always_in_range(type: SourceType) -> bool:
    if type.precision is None or type.precision > MAX_DIGITS:
        return False
    scale = type.scale or 0
    return scale <= -MIN_EXPONENT and type.precision - scale <= MAX_EXPONENT + 1


def _range_problems(plain: Column) -> list[Problem]:
    digits = _significant_digits(plain, plain.startswith("-").cast("int"))
    whole = _before(F.replace_text(plain, "-", ""), ".")
    fraction = F.when(plain.contains("."), _behind(plain, ".")).otherwise(F.lit(""))
    leading_zeros = F.octets(fraction) - F.octets(F.ltrim(fraction, "0"))
    exponent = F.when(whole != "0", F.octets(whole) - 1).otherwise(-(leading_zeros + 1))
    outside = (plain != "0") & ((exponent > MAX_EXPONENT) | (exponent < MIN_EXPONENT))
    too_many = F.concat(digits.cast("string"), F.lit(f" significant digits, {MAX_DIGITS} at most"))
    return [
        problem_when(digits > MAX_DIGITS, RejectReason.NUMBER_OUT_OF_RANGE, too_many),
        _magnitude_problem(outside),
    ]


def _magnitude_problem(outside: Column) -> Problem:
    return problem_when(outside, RejectReason.NUMBER_OUT_OF_RANGE, F.lit("magnitude outside 1E-130 .. 9.99E+125"))


def _significant_digits(plain: Column, negative: Column) -> Column:
    """A plain number has a fraction without trailing zeros, or none."""
    below_one = plain.startswith("0.") | plain.startswith("-0.")
    fraction = F.ltrim(_behind(plain, "."), "0")
    return (
        F.when(~plain.contains("."), F.octets(F.rtrim(plain, "0")) - negative)
        .when(below_one, F.octets(fraction))
        .otherwise(F.octets(plain) - 1 - negative)
    )


def _without_trailing_zeros(value: Column) -> Column:
    stripped = F.rtrim(F.rtrim(value, "0"), ".")
    return F.when(value.contains("."), stripped).otherwise(value)


def _exponent(value: Column) -> Column:
    return _behind(value, "e").try_cast("int")


def _expanded(value: Column) -> Column:
    mantissa = _before(value, "e")
    digits = F.replace_text(F.replace_text(mantissa, "-", ""), ".", "")
    point, count = _exponent(value) + 1, F.octets(digits)
    sign = F.when(value.startswith("-"), F.lit("-")).otherwise(F.lit(""))
    zero = F.lit("0")
    return F.concat(
        sign,
        F.when(point <= 0, F.concat(F.lit("0."), F.call("repeat", zero, -point), digits))
        .when(point >= count, F.concat(digits, F.call("repeat", zero, point - count)))
        .otherwise(F.concat(F.substring(digits, 1, point), F.lit("."), F.substring(digits, point + 1, count))),
    )


def _before(text: Column, mark: str) -> Column:
    return F.call("substring_index", text, F.lit(mark), F.lit(1))


def _behind(text: Column, mark: str) -> Column:
    """The whole text where the mark is not in it."""
    return F.call("substring_index", text, F.lit(mark), F.lit(-1))
