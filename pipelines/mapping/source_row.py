"""A row of a source table as an online read gives it, and what rows are joined and sorted by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pipelines.items.number import number_order, plain_number
from pipelines.items.reject import Unrepresentable
from pipelines.items.source_type import AS_BYTES, NUMBERS, RAW_SUFFIX, TEMPORAL, Kind, SourceType
from pipelines.items.temporal import fixed_text
from pipelines.mapping.plan import OrderTerm

_RAW_TIME = re.compile(r"(\d+)-(\d\d)-(\d\d)(.*?)( BC)?", re.ASCII)


@dataclass(frozen=True, eq=False)
class SourceRow:
    """`physical`: the physical columns by name, `<column>::raw` of temporal ones included (see `Kind`)."""

    physical: Mapping[str, object]

    def value(self, column: str) -> Any:
        return self.physical[column]

    def raw(self, column: str, type: SourceType) -> str | None:
        """PostgreSQL's text of a time outside years 1 to 9999; None for every other value and type."""
        if type.kind not in TEMPORAL:
            return None
        raw = self.physical[column + RAW_SUFFIX]
        return raw if isinstance(raw, str) else None


def match_text(row: SourceRow, column: str, type: SourceType) -> str | None:
    """What two columns must share to be equal in a join, as a text that PostgreSQL reads; None for NULL.

    Numbers by value, char(n) without its padding, everything else by its physical text.
    """
    value = row.value(column)
    if value is None:
        return row.raw(column, type)
    if isinstance(value, str):
        return _text_match(value, type.kind)
    if isinstance(value, date):
        return fixed_text(value)
    if isinstance(value, bytes):
        return rf"\x{value.hex()}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text_match(value: str, kind: Kind) -> str:
    if kind is Kind.CHAR:
        return value.rstrip(" ")
    if kind not in NUMBERS:
        return value
    try:
        return plain_number(value)
    except Unrepresentable:
        return value  # NaN and the infinities


def in_order(rows: Iterable[SourceRow], order_by: Sequence[OrderTerm]) -> list[SourceRow]:
    """Rows sorted: NULLs last in either direction, text by UTF-8 bytes, numbers and times by value."""
    ordered = list(rows)
    for term in reversed(order_by):
        ordered.sort(key=_sort_key(term), reverse=term.descending)
    return ordered


def _sort_key(term: OrderTerm) -> Callable[[SourceRow], tuple[object, ...]]:
    null = (0 if term.descending else 2,)

    def key(row: SourceRow) -> tuple[object, ...]:
        value = row.value(term.column)
        if value is None:
            raw = row.raw(term.column, term.type)
            return null if raw is None else (1, *_raw_time(raw))
        return (1, *_comparable(value, term.type))

    return key


def _comparable(value: Any, type: SourceType) -> tuple[object, ...]:
    if type.kind in NUMBERS and isinstance(value, str):
        return number_order(value)
    if isinstance(value, str):
        text = value.rstrip(" ") if type.kind is Kind.CHAR else value
        return (text if type.utf8 else text.encode(errors=AS_BYTES),)
    if isinstance(value, datetime):
        return (1, value.year, value)
    if isinstance(value, date):
        return (1, value.year, value)
    return (value,)


def _raw_time(raw: str) -> tuple[object, ...]:
    """A place before year 1 or after year 9999, so it is never compared with a value beyond the year."""
    match = _RAW_TIME.fullmatch(raw)
    if match is None:
        return (0,) if raw == "-infinity" else (2,)
    year = 1 - int(match[1]) if match[5] else int(match[1])
    return (1, year, match[2], match[3], match[4])
