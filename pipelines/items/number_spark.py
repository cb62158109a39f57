"""Numbers as PostgreSQL prints them, in plain normal form and in DynamoDB's range: the Spark form of `items.number`.

Inputs are `-?digits[.digits]` for numeric; for floats also `-?d[.ddd]e±dd` and `-0`; besides these NaN and
±Infinity, whose plain form is meaningless. Nothing here raises in ANSI mode.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from pipelines.items.number import MAX_DIGITS, MAX_EXPONENT, MIN_EXPONENT
from pipelines.items.problem_spark import problem_when
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import Kind, SourceType


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
    return F.shiftright(_significant_digits(plain, negative) + 1, 1) + 1 + negative


def integer_size(value: Column) -> Column:
    """`number_size` of an int64."""
    negative = (value < 0).cast("int")
    digits = F.octet_length(F.rtrim(value.cast("string"), F.lit("0"))) - negative
    return F.shiftright(digits + 1, 1) + 1 + negative


def number_problem(type: SourceType, value: Column, plain: Column | None = None) -> Column | None:
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
    return F.coalesce(*problems)


def _always_in_range(type: SourceType) -> bool:
    if type.precision is None or type.precision > MAX_DIGITS:
        return False
    scale = type.scale or 0
    return scale <= -MIN_EXPONENT and type.precision - scale <= MAX_EXPONENT + 1


def _range_problems(plain: Column) -> list[Column]:
    digits = _significant_digits(plain, plain.startswith("-").cast("int"))
    whole = F.substring_index(F.replace(plain, F.lit("-"), F.lit("")), ".", 1)
    fraction = F.when(plain.contains("."), F.substring_index(plain, ".", -1)).otherwise(F.lit(""))
    leading_zeros = F.octet_length(fraction) - F.octet_length(F.ltrim(fraction, F.lit("0")))
    exponent = F.when(whole != "0", F.octet_length(whole) - 1).otherwise(-(leading_zeros + 1))
    outside = (plain != "0") & ((exponent > MAX_EXPONENT) | (exponent < MIN_EXPONENT))
    too_many = F.concat(digits.cast("string"), F.lit(f" significant digits, {MAX_DIGITS} at most"))
    return [
        problem_when(digits > MAX_DIGITS, RejectReason.NUMBER_OUT_OF_RANGE, too_many),
        _magnitude_problem(outside),
    ]


def _magnitude_problem(outside: Column) -> Column:
    return problem_when(outside, RejectReason.NUMBER_OUT_OF_RANGE, F.lit("magnitude outside 1E-130 .. 9.99E+125"))


def _significant_digits(plain: Column, negative: Column) -> Column:
    """A plain number has a fraction without trailing zeros, or none."""
    below_one = plain.startswith("0.") | plain.startswith("-0.")
    fraction = F.ltrim(F.substring_index(plain, ".", -1), F.lit("0"))
    return (
        F.when(~plain.contains("."), F.octet_length(F.rtrim(plain, F.lit("0"))) - negative)
        .when(below_one, F.octet_length(fraction))
        .otherwise(F.octet_length(plain) - 1 - negative)
    )


def _without_trailing_zeros(value: Column) -> Column:
    stripped = F.rtrim(F.rtrim(value, F.lit("0")), F.lit("."))
    return F.when(value.contains("."), stripped).otherwise(value)


def _exponent(value: Column) -> Column:
    return F.substring_index(value, "e", -1).try_cast("int")


def _expanded(value: Column) -> Column:
    mantissa = F.substring_index(value, "e", 1)
    digits = F.replace(F.replace(mantissa, F.lit("-"), F.lit("")), F.lit("."), F.lit(""))
    point, count = _exponent(value) + 1, F.octet_length(digits)
    sign = F.when(value.startswith("-"), F.lit("-")).otherwise(F.lit(""))
    zero = F.lit("0")
    return F.concat(
        sign,
        F.when(point <= 0, F.concat(F.lit("0."), F.repeat(zero, -point), digits))
        .when(point >= count, F.concat(digits, F.repeat(zero, point - count)))
        .otherwise(F.concat(F.substring(digits, F.lit(1), point), F.lit("."), F.substring(digits, point + 1, count))),
    )
