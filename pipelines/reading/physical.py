"""A column's value as an application has it, in the physical form that the encoder takes (`Kind`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from pipelines.errors import UsageError
from pipelines.items.source_type import Kind, SourceType

_LENGTH = re.compile(r"\(([0-9]+)\)")
_NUMERIC = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


def physical_value(what: str, type: SourceType, value: object) -> object:
    """`what` names the column in messages, which never show the value. Raises UsageError for another Python type."""
    take, wanted = _FORMS.get(type.kind, (_text, "str"))
    taken = take(type, value)
    if taken is None:
        raise UsageError(f"{what} is {type.name}: give {wanted}, not {'None' if value is None else _name(value)}")
    return taken


def _name(value: object) -> str:
    return value.__class__.__name__


def _integer(_: SourceType, value: object) -> object | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _number(_: SourceType, value: object) -> object | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    text = str(value)
    return text if _NUMERIC.fullmatch(text) else None


def _boolean(_: SourceType, value: object) -> object | None:
    return value if isinstance(value, bool) else None


def _bytes(_: SourceType, value: object) -> object | None:
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else None


def _text(_: SourceType, value: object) -> object | None:
    return str.__str__(value) if isinstance(value, str) else None


def _char(type: SourceType, value: object) -> object | None:
    """Padded, as PostgreSQL keeps it."""
    length = _LENGTH.search(type.name)
    return value.ljust(int(length[1]) if length else 1) if isinstance(value, str) else None


def _uuid(_: SourceType, value: object) -> object | None:
    if isinstance(value, UUID):
        return str(value)
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _date(_: SourceType, value: object) -> object | None:
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _timestamp(_: SourceType, value: object) -> object | None:
    return value if isinstance(value, datetime) and value.tzinfo is None else None


def _timestamptz(_: SourceType, value: object) -> object | None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    try:
        return value.astimezone(UTC)
    except OverflowError:  # it would be outside of the years 1 to 9999
        return None


_NUMBER = (_number, "int, Decimal, float or the number as str")
_FORMS: dict[Kind, tuple[Callable[[SourceType, object], object | None], str]] = {
    Kind.INTEGER: (_integer, "int"),
    Kind.NUMERIC: _NUMBER,
    Kind.FLOAT4: _NUMBER,
    Kind.FLOAT8: _NUMBER,
    Kind.BOOLEAN: (_boolean, "bool"),
    Kind.BYTES: (_bytes, "bytes"),
    Kind.CHAR: (_char, "str"),
    Kind.UUID: (_uuid, "UUID"),
    Kind.DATE: (_date, "date"),
    Kind.TIMESTAMP: (_timestamp, "datetime without a time zone"),
    Kind.TIMESTAMPTZ: (_timestamptz, "datetime with a time zone"),
}
