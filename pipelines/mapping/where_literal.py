"""A literal of `where`, checked against its column's kind and brought to canonical text."""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from pipelines.items.number import plain_number
from pipelines.items.reject import Unrepresentable
from pipelines.items.source_type import Kind, SourceType
from pipelines.items.temporal import fixed_text

MAX_DIGITS = 1000
NON_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})
INFINITE_DATES = frozenset({"infinity", "-infinity"})

_DAY = r"(\d{4}-\d{2}-\d{2})"
_DATE = re.compile(_DAY, re.ASCII)
_TIMESTAMP = re.compile(_DAY + r"(?:[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?", re.ASCII)
_ZONE = re.compile(r"(.*\d)(Z|[+-]\d{2}(?::?\d{2})?)", re.ASCII)


class LiteralError(ValueError):
    """Says what a literal of this column looks like."""


def number_literal(type: SourceType, text: str) -> str:
    """An unquoted number for a column of a number kind. Raises LiteralError."""
    match type.kind:
        case Kind.INTEGER:
            return _integer(text)
        case Kind.NUMERIC:
            return _plain(text)
        case Kind.FLOAT4:
            return _float(text, _single)
        case Kind.FLOAT8:
            return _float(text, float)
    raise LiteralError(f"a number, but the column is {type.name}; {wanted(type)}")


def boolean_literal(type: SourceType, value: bool) -> str:
    if type.kind is not Kind.BOOLEAN:
        raise LiteralError(f"a boolean, but the column is {type.name}; {wanted(type)}")
    return "true" if value else "false"


def text_literal(type: SourceType, text: str) -> str:
    """A quoted literal. Raises LiteralError."""
    match type.kind:
        case Kind.TEXT | Kind.ENUM:
            return _text(text)
        case Kind.CHAR:
            return _text(text).rstrip(" ")
        case Kind.UUID:
            return _uuid(text)
        case Kind.DATE | Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            return text if text in INFINITE_DATES else fixed_text(_moment(type, text))
        case Kind.NUMERIC | Kind.FLOAT4 | Kind.FLOAT8 if text in NON_FINITE:
            return text
    raise LiteralError(f"a quoted text, but the column is {type.name}; {wanted(type)}")


def wanted(type: SourceType) -> str:
    """What to write instead."""
    match type.kind:
        case Kind.INTEGER:
            return "write a whole number, 5"
        case Kind.NUMERIC | Kind.FLOAT4 | Kind.FLOAT8:
            return "write a number, 5.25, or 'NaN', 'Infinity', '-Infinity'"
        case Kind.BOOLEAN:
            return "write true or false"
        case Kind.UUID:
            return "write a uuid, '123e4567-e89b-12d3-a456-426614174000'"
        case Kind.DATE:
            return "write '2026-11-24', 'infinity' or '-infinity'"
        case Kind.TIMESTAMP:
            return "write '2026-11-24 08:55:13.123456', without a zone, 'infinity' or '-infinity'"
        case Kind.TIMESTAMPTZ:
            return "write '2026-11-24 08:55:13.123456+00', 'infinity' or '-infinity'; without a zone it is UTC"
        case _:
            return "write a quoted text, 'x'"


def _integer(text: str) -> str:
    plain = _plain(text)
    if "." in plain:
        raise LiteralError("a number with a fraction, but the column holds whole numbers")
    if not -(2**63) <= int(plain) < 2**63:
        raise LiteralError("outside of bigint's range, so no row can be equal to it")
    return plain


def _plain(text: str) -> str:
    try:
        plain = plain_number(text)
    except Unrepresentable:
        plain = ""
    if not plain or len(plain) > MAX_DIGITS:
        raise LiteralError(f"no decimal number of at most {MAX_DIGITS} digits")
    return plain


def _float(text: str, nearest: Callable[[str], float]) -> str:
    plain = _plain(text)
    try:
        value = nearest(plain)
    except OverflowError:
        value = float("inf")
    if value in (float("inf"), float("-inf")) or (value == 0) != (plain == "0"):
        raise LiteralError("outside of the column's range")
    return plain_number(repr(value))


def _single(text: str) -> float:
    """The nearest 4-byte float, ties to even. By way of a double it could be rounded twice: so the neighbours of
    that are looked at, too."""
    packed = struct.pack("<f", float(text))
    (first,), (bits,) = struct.unpack("<f", packed), struct.unpack("<i", packed)
    near = [
        struct.unpack("<f", struct.pack("<i", bits + step))[0] for step in (-1, 0, 1) if bits + step >= 0 or bits < 0
    ]
    exact = Decimal(text)
    finite = [value for value in near if value - value == 0]
    best: float = min(finite, key=lambda value: (abs(Decimal(value) - exact), value != first))
    return best


def _text(text: str) -> str:
    if "\0" in text:
        raise LiteralError("holds U+0000, which PostgreSQL cannot store")
    return text


def _uuid(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text):
        raise LiteralError(f"no uuid; {wanted(SourceType(name='uuid', kind=Kind.UUID))}")
    return str(uuid.UUID(text))


def _moment(type: SourceType, text: str) -> date:
    try:
        if type.kind is Kind.DATE:
            return date.fromisoformat(_matched(_DATE, text)[0])
        zoned = _ZONE.fullmatch(text) if type.kind is Kind.TIMESTAMPTZ and len(text) > len("2026-11-24") else None
        day, clock = _matched(_TIMESTAMP, zoned[1] if zoned else text).groups()
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{zoned[2] if zoned else ''}")
        if type.kind is Kind.TIMESTAMP:
            return moment
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise LiteralError(f"not a value of {type.name}; {wanted(type)}") from None


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match
