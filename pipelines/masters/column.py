"""One column's value in an item: from what an application gives, and back to what templates are made of.

What an application gives is in the form of `pipelines.reading.Items` (a timestamp as its text), or the column's own
Python type (a `datetime`). Either becomes what the column's encoder would have made.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from pipelines.errors import UsageError
from pipelines.items.encode import encoder
from pipelines.items.source_type import NUMBERS, TEMPORAL, Encoding, Kind, SourceType
from pipelines.mapping.plan import ColumnValue
from pipelines.masters.plain_value import MisfitError, as_bytes, is_bytes, plain_fragment
from pipelines.reading.physical import physical_value

_EPOCH = datetime(1970, 1, 1)
_MOST_DIGITS = 131_072  # of a numeric before the point (PostgreSQL, 8.1.2); what has more takes for ever to print
_TEXT_ENCODINGS = (Encoding.S, Encoding.TEXT)
_EPOCHS = {Encoding.EPOCH_SECONDS: 1, Encoding.EPOCH_MILLIS: 1000}
_WIRE: dict[Encoding, tuple[str, str]] = {
    Encoding.S: ("S", "a text"),
    Encoding.N: ("N", "a number"),
    Encoding.B: ("B", "bytes"),
    Encoding.BOOL: ("BOOL", "true or false"),
    Encoding.SS: ("SS", "a set of texts"),
    Encoding.NS: ("NS", "a set of numbers"),
    Encoding.BS: ("BS", "a set of bytes"),
    Encoding.LIST: ("L", "a list"),
    Encoding.TEXT: ("S", "a text"),
    Encoding.DATE: ("S", "a date"),
    Encoding.EPOCH_SECONDS: ("N", "a number of seconds since 1970"),
    Encoding.EPOCH_MILLIS: ("N", "a number of milliseconds since 1970"),
}
Physical = tuple[object | None, str | None]
"""A column's value in its physical form, and `::raw` of a temporal one; (None, None) for NULL."""


class NotShownError(Exception):
    """`column`: one that the item does not show, with its path, `customer.name`."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def column_fragment(value: object, column: ColumnValue, path: str) -> str | None:
    """Canonical; None where it is absent: an empty set, or None (but JSON has a null of its own).

    Raises MisfitError; Unrepresentable.
    """
    if value is None and column.encoding is not Encoding.JSON:
        return None
    if isinstance(value, set | frozenset) and not value:
        return None
    physical = _given(value, column, path)
    if physical is not None:
        return encoder(column.type, column.encoding)(physical, None)
    fragment = plain_fragment(value, path)
    wanted = _WIRE.get(column.encoding)
    if wanted is not None and not fragment.startswith(f'{{"{wanted[0]}":'):
        raise MisfitError(path, f"{wanted[1]} is wanted, not {type(value).__name__}")
    return fragment


def physical_of(fragment: str | None, column: ColumnValue, *, coarse: bool = False) -> Physical | None:
    """The column's value from the item's; None where the item does not tell it. `coarse`: whole seconds will do."""
    if fragment is None:
        return None, None
    ((kind, content),) = json.loads(fragment).items()
    if kind == "NULL":
        return None, None
    read = _reader(column.type, column.encoding, coarse=coarse)
    try:
        return None if read is None else read(content)
    except (ValueError, OverflowError):
        return None


def _given(value: object, column: ColumnValue, path: str) -> object | None:
    """Physical; None where the value is to stay as it is. `path` is for messages."""
    kind, encoding = column.type.kind, column.encoding
    if kind in NUMBERS and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _number(value, column, path)
    if kind in TEMPORAL:
        if isinstance(value, str) and encoding in (*_TEXT_ENCODINGS, Encoding.DATE):
            return _moment(value, column, path)
        return _physical(value, column, path) if isinstance(value, date) else None
    if kind is Kind.UUID and encoding in _TEXT_ENCODINGS:
        return _physical(value, column, path)
    if kind is Kind.CHAR and encoding in _TEXT_ENCODINGS and isinstance(value, str):
        return _physical(value, column, path)
    if kind in NUMBERS and encoding is Encoding.S and isinstance(value, str):
        return _number(_decimal(value, path), column, path) if value not in ("NaN", "Infinity", "-Infinity") else value
    if kind is Kind.BOOLEAN and isinstance(value, bool):
        return value
    if kind is Kind.BYTES and is_bytes(value):
        return as_bytes(value)
    return None


def _number(value: int | float | Decimal, column: ColumnValue, path: str) -> object:
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) > _MOST_DIGITS:
        raise MisfitError(path, "no number that a column can hold")
    if column.type.kind is Kind.INTEGER:
        try:
            whole = int(value)
        except (ValueError, OverflowError):
            whole = None
        if whole != value:
            raise MisfitError(path, "a whole number is wanted")
        return whole
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if column.encoding is Encoding.TEXT and column.type.scale is not None and not isinstance(value, float):
        whole_part, _, fraction = text.partition(".")  # as PostgreSQL prints it, zeros and all
        return f"{whole_part}.{fraction.ljust(column.type.scale, '0')}" if column.type.scale else text
    return text


def _decimal(text: str, path: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise MisfitError(path, "no number") from None


def _moment(text: str, column: ColumnValue, path: str) -> object | None:
    """None for a text that only `types: text` can hold, `infinity`."""
    kind = column.type.kind
    try:
        if kind is Kind.DATE:
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text)
    except ValueError:
        if column.encoding is Encoding.TEXT:
            return None
        raise MisfitError(path, f"no {'date' if kind is Kind.DATE else 'time'} as ISO 8601 writes it") from None
    if column.encoding is Encoding.DATE and len(text) == len("2026-11-29"):
        return found if kind is Kind.TIMESTAMP else found.replace(tzinfo=UTC)
    return _physical(found, column, path)


def _physical(value: object, column: ColumnValue, path: str) -> object:
    try:
        return physical_value(path, column.type, value)
    except UsageError as error:
        raise MisfitError(path, str(error).removeprefix(f"{path} is ")) from None


_Read = Callable[[Any], Physical | None]


def _reader(type: SourceType, encoding: Encoding, *, coarse: bool) -> _Read | None:
    """None where the encoding does not keep all of the value."""
    kind = type.kind
    if kind in TEMPORAL:
        return _temporal_reader(kind, encoding, coarse=coarse)
    if kind in NUMBERS and encoding in (Encoding.N, *_TEXT_ENCODINGS):
        return (lambda text: (int(text), None)) if kind is Kind.INTEGER else (lambda text: (text, None))
    if kind is Kind.BOOLEAN:
        return lambda content: (content if isinstance(content, bool) else content == "true", None)
    if kind is Kind.BYTES:
        if encoding is Encoding.B:
            return lambda text: (base64.b64decode(text), None)
        return lambda text: (bytes.fromhex(text[2:]), None)
    if encoding in _TEXT_ENCODINGS and kind not in (Kind.JSON, Kind.ARRAY):
        return lambda text: (text, None)
    return None


def _temporal_reader(kind: Kind, encoding: Encoding, *, coarse: bool) -> _Read | None:
    if kind is Kind.DATE and encoding in (*_TEXT_ENCODINGS, Encoding.DATE):
        return lambda text: _or_raw(date.fromisoformat, text)
    if encoding in _TEXT_ENCODINGS:
        return lambda text: _or_raw(datetime.fromisoformat, text)
    if encoding not in _EPOCHS or not (coarse or kind is Kind.DATE):
        return None

    def read(text: str) -> Physical:
        moment = _EPOCH + timedelta(seconds=int(text) // _EPOCHS[encoding])
        if kind is Kind.DATE:
            return moment.date(), None
        return (moment.replace(tzinfo=UTC) if kind is Kind.TIMESTAMPTZ else moment), None

    return read


def _or_raw(read: Callable[[str], date], text: str) -> Physical:
    try:
        return read(text), None
    except ValueError:
        return None, text
