"""`where` in Spark, over the physical columns of a snapshot.

Column expressions wherever they are exact; a numeric without a declared precision that fits Spark's decimal is
compared by a Python function, Arrow batch by Arrow batch.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from pipelines.items.arrow_spark import arrow_function
from pipelines.items.number import number_order
from pipelines.items.source_type import RAW_SUFFIX, TEMPORAL, Kind, SourceType
from pipelines.mapping.predicate import And, Compare, Comparison, IsNull, Not, Or, Predicate

ColumnOf = Callable[[str], Column]
"""The physical column of a name; temporal columns are also asked for `<name>::raw`."""

MAX_PRECISION = 38
_OPERATORS: dict[Comparison, Callable[[Any, Any], Any]] = {
    Comparison.EQ: operator.eq,
    Comparison.NE: operator.ne,
    Comparison.LT: operator.lt,
    Comparison.LE: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GE: operator.ge,
}
_INFINITE = {"-infinity": -2, "infinity": 2}
"""Where they stand among the ranks of times: those of years 1 to 9999 have 0, those before -1, those after 1."""
_SPARK_TYPES = {
    Kind.INTEGER: "bigint",
    Kind.FLOAT4: "float",
    Kind.FLOAT8: "double",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp_ntz",
    Kind.TIMESTAMPTZ: "timestamp",
}


def to_column(predicate: Predicate, column_of: ColumnOf) -> Column:
    """A boolean column, null for unknown."""
    match predicate:
        case Compare():
            return _compare(predicate, column_of)
        case IsNull():
            return _is_null(predicate, column_of)
        case Not():
            return ~to_column(predicate.operand, column_of)
        case And():
            return _joined(Column.__and__, [to_column(operand, column_of) for operand in predicate.operands])
        case Or():
            return _joined(Column.__or__, [to_column(operand, column_of) for operand in predicate.operands])


def _joined(join: Callable[[Column, Column], Column], columns: Sequence[Column]) -> Column:
    """A tree: Spark descends into an expression call by call, and a chain of a thousand overflows its stack."""
    if len(columns) == 1:
        return columns[0]
    middle = len(columns) // 2
    return join(_joined(join, columns[:middle]), _joined(join, columns[middle:]))


def _is_null(test: IsNull, column_of: ColumnOf) -> Column:
    null = column_of(test.column).isNull()
    return null & column_of(test.column + RAW_SUFFIX).isNull() if test.type.kind in TEMPORAL else null


def _compare(test: Compare, column_of: ColumnOf) -> Column:
    column = column_of(test.column)
    if test.type.kind in TEMPORAL:
        return _temporal(test, column, column_of(test.column + RAW_SUFFIX))
    match test.type.kind:
        case Kind.NUMERIC:
            return _numeric(test, column)
        case Kind.CHAR:
            return _test(test.comparison, F.rtrim(column), F.lit(test.literal))
        case Kind.FLOAT4 | Kind.FLOAT8:
            column = column.cast(_SPARK_TYPES[test.type.kind])
    literal = F.lit(test.literal)
    spark_type = _SPARK_TYPES.get(test.type.kind)
    return _test(test.comparison, column, literal.cast(spark_type) if spark_type else literal)


def _test(comparison: Comparison, left: Column, right: Column) -> Column:
    found: Column = _OPERATORS[comparison](left, right)
    return found


def _temporal(test: Compare, value: Column, raw: Column) -> Column:
    """By rank first: what is only in `::raw` stands before or after everything else."""
    rank = F.when(raw == "-infinity", _INFINITE["-infinity"]).when(raw == "infinity", _INFINITE["infinity"])
    rank = rank.when(raw.endswith(" BC"), -1).when(raw.isNotNull(), 1)
    if test.literal in _INFINITE:
        rank = rank.when(value.isNotNull(), 0)
        return _test(test.comparison, rank, F.lit(_INFINITE[test.literal]))
    outside = _test(test.comparison, rank, F.lit(0))
    within = _test(test.comparison, value, F.lit(test.literal).cast(_SPARK_TYPES[test.type.kind]))
    return F.when(raw.isNotNull(), outside).otherwise(within)


def _numeric(test: Compare, column: Column) -> Column:
    scale = _common_scale(test.type, test.literal)
    if scale is None:
        order = _order_against(test.literal)(column)
        return _test(test.comparison, order, F.lit(0))
    decimal = f"decimal({MAX_PRECISION},{scale})"
    finite = F.when(column != "NaN", column).cast(decimal)
    # NaN is above every number, and a column with a declared precision holds no infinity
    above = F.lit(test.comparison in (Comparison.NE, Comparison.GT, Comparison.GE))
    return F.when(column == "NaN", above).otherwise(_test(test.comparison, finite, F.lit(test.literal).cast(decimal)))


def _common_scale(type: SourceType, literal: str) -> int | None:
    """The scale at which a decimal of 38 digits holds both the column and the literal; None where none does."""
    if type.precision is None or literal in ("NaN", "Infinity", "-Infinity"):
        return None
    whole, _, fraction = literal.lstrip("-").partition(".")
    declared = max(type.scale or 0, 0)
    scale = max(declared, len(fraction))
    digits = max(type.precision - (type.scale or 0), len(whole))
    return scale if scale + digits <= MAX_PRECISION else None


def _order_against(literal: str) -> Callable[[Column], Column]:
    """A function of a column of numeric texts: -1, 0, 1 as each is below, equal to or above the literal."""
    right = number_order(literal)

    def order(texts: pa.Array) -> pa.Array:
        signs = (None if text is None else _sign(number_order(text), right) for text in texts.to_pylist())
        return pa.array(list(signs), pa.int32())

    return arrow_function(order, "int")


def _sign(left: tuple[int, Decimal], right: tuple[int, Decimal]) -> int:
    return (left > right) - (left < right)
