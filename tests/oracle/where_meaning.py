"""What a `where` means, row by row: SQL's three values, and PostgreSQL's order of each kind of value.

It takes the parsed condition, and shares nothing with the forms in Spark and in PostgreSQL that it judges.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pipelines.items.source_type import Kind
from pipelines.mapping.predicate import And, Compare, IsNull, Not, Or, Predicate

Row = Callable[[str], tuple[object | None, str | None]]
"""(physical value, `::raw` text of a temporal column) of a column by name."""

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PLACES = {"-infinity": 0, "infinity": 4}
_WITHIN_CALENDAR = 2


def evaluate(predicate: Predicate, row: Row) -> bool | None:
    """None where it is unknown. A row counts only where this is True."""
    match predicate:
        case IsNull():
            return row(predicate.column) == (None, None)
        case Compare():
            return _compare(predicate, *row(predicate.column))
        case Not():
            truth = evaluate(predicate.operand, row)
            return None if truth is None else not truth
        case And():
            truths = {evaluate(operand, row) for operand in predicate.operands}
            return False if False in truths else None if None in truths else True
        case Or():
            truths = {evaluate(operand, row) for operand in predicate.operands}
            return True if True in truths else None if None in truths else False


def _compare(test: Compare, value: object | None, raw: str | None) -> bool | None:
    if value is None and raw is None:
        return None
    found = _place(test.type.kind, raw or _text(value), outside=raw is not None)
    wanted = _place(test.type.kind, test.literal, outside=test.literal in _PLACES)
    return _TESTS[test.comparison](found, wanted)


def _text(value: object | None) -> str:
    """As literals are written."""
    if isinstance(value, datetime):
        return value.strftime("%Y").zfill(4) + value.strftime("-%m-%dT%H:%M:%S.%f") + ("Z" if value.tzinfo else "")
    if isinstance(value, date):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _place(kind: Kind, text: str, outside: bool) -> Any:
    """What sorts as PostgreSQL sorts the values. `outside`: of a time outside years 1 to 9999, or an infinity."""
    match kind:
        case Kind.DATE | Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            beyond = _PLACES.get(text, 1 if text.endswith(" BC") else 3)
            return (beyond, "") if outside else (_WITHIN_CALENDAR, text)
        case Kind.INTEGER:
            return int(text)
        case Kind.NUMERIC | Kind.FLOAT4 | Kind.FLOAT8:
            infinite = {"-Infinity": 0, "Infinity": 2, "NaN": 3}.get(text)
            return (1, _finite(kind, text)) if infinite is None else (infinite, Decimal(0))
        case Kind.CHAR:
            return text.rstrip(" ")
    return text


def _finite(kind: Kind, text: str) -> Decimal:
    match kind:
        case Kind.FLOAT4:
            return Decimal(struct.unpack("<f", struct.pack("<f", float(text)))[0])
        case Kind.FLOAT8:
            return Decimal(float(text))
    return Decimal(text)
