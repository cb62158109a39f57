"""`where` in Python, with SQL's three values: True, False, None for unknown."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pipelines.items.source_type import TEMPORAL, Kind, SourceType
from pipelines.items.temporal import fixed_text
from pipelines.mapping.predicate import And, Compare, Comparison, IsNull, Not, Or, Predicate
from pipelines.mapping.where_literal import single

Row = Callable[[str], tuple[object | None, str | None]]
"""(physical value, `::raw` text of a temporal column) of a column by name."""

COMPARE: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQ: operator.eq,
    Comparison.NE: operator.ne,
    Comparison.LT: operator.lt,
    Comparison.LE: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GE: operator.ge,
}


def evaluate(predicate: Predicate, row: Row) -> bool | None:
    """A row counts only where this is True."""
    match predicate:
        case Compare():
            return _compare(predicate, *row(predicate.column))
        case IsNull():
            value, raw = row(predicate.column)
            return value is None and raw is None
        case Not():
            truth = evaluate(predicate.operand, row)
            return None if truth is None else not truth
        case And():
            return _all(evaluate(operand, row) for operand in predicate.operands)
        case Or():
            truth = _all(
                None if (part := evaluate(operand, row)) is None else not part for operand in predicate.operands
            )
            return None if truth is None else not truth


def number_order(text: str) -> tuple[int, Decimal]:
    """Sorts numbers as PostgreSQL does: -Infinity, the finite ones by value, Infinity, NaN, which equals itself."""
    rank = {"-Infinity": -1, "Infinity": 1, "NaN": 2}.get(text, 0)
    return (rank, Decimal(0) if rank else Decimal(text))


def raw_rank(raw: str) -> int:
    """Where a date outside years 1 to 9999 stands: those within have rank 0."""
    match raw:
        case "-infinity":
            return -2
        case "infinity":
            return 2
    return -1 if raw.endswith(" BC") else 1


def _compare(test: Compare, value: object | None, raw: str | None) -> bool | None:
    if value is None and raw is None:
        return None
    left = (raw_rank(raw), "") if raw is not None and value is None else _order(test.type, value)
    return COMPARE[test.comparison](left, _literal_order(test.type, test.literal))


def _order(type: SourceType, value: object) -> Any:
    match type.kind:
        case Kind.NUMERIC | Kind.FLOAT8 | Kind.FLOAT4:
            return _number(type.kind, str(value))
        case Kind.CHAR:
            return str(value).rstrip(" ")
        case Kind.DATE | Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            assert isinstance(value, date | datetime)
            return (0, fixed_text(value))
    return value


def _number(kind: Kind, text: str) -> tuple[int, Any]:
    rank, number = number_order(text)
    if rank or kind is Kind.NUMERIC:
        return (rank, number)
    return (rank, single(text) if kind is Kind.FLOAT4 else float(text))


@lru_cache(maxsize=4096)
def _literal_order(type: SourceType, literal: str) -> Any:
    if type.kind in TEMPORAL:
        return (raw_rank(literal), "") if literal.endswith("infinity") else (0, literal)
    match type.kind:
        case Kind.INTEGER:
            return int(literal)
        case Kind.BOOLEAN:
            return literal == "true"
    return _order(type, literal)


def _all(truths: Iterable[bool | None]) -> bool | None:
    """SQL's AND: False beats unknown, unknown beats True."""
    unknown = False
    for truth in truths:
        if truth is False:
            return False
        unknown = unknown or truth is None
    return None if unknown else True
