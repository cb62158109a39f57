"""An attribute as the text of its column's value: the inverse of `pipelines.items.encode`.

The text is one that the input function of the column's type reads as that value (of money: that numeric's). Where the
encoding is coarser than the type, `keep_of` says how, and `lossy` that it is of no use.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pipelines.items.canonical import AttributeValue
from pipelines.items.encode import default_encoding
from pipelines.items.source_type import AS_BYTES, MONEY, NUMBERS, TEXTS, Encoding, Kind, SourceType
from pipelines.items.temporal import fixed_text
from pipelines.mapping.inverse.array_literal import list_decoder, set_decoder
from pipelines.mapping.inverse.json_text import json_text
from pipelines.mapping.inverse.table_rows import Keep
from pipelines.mapping.inverse.unreadable import Unreadable, content, without_nul

Decode = Callable[[AttributeValue], str]
"""Of an attribute that is not NULL. Raises Unreadable."""

SETS = frozenset({Encoding.SS, Encoding.NS, Encoding.BS})

_MICROS = {Encoding.EPOCH_SECONDS: 1_000_000, Encoding.EPOCH_MILLIS: 1_000}
_DIGITS = {Encoding.EPOCH_SECONDS: 0, Encoding.EPOCH_MILLIS: 3}
_KEEPS = {Encoding.EPOCH_SECONDS: Keep.SECONDS, Encoding.EPOCH_MILLIS: Keep.MILLISECONDS}
_PRECISION = re.compile(r"timestamp\((\d)\)", re.ASCII)
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_EPOCH = datetime(1970, 1, 1)


def decoder(type: SourceType, encoding: Encoding) -> Decode:
    """For many values of a column. `encoding` is one that the type can have."""
    if type.kind is Kind.ARRAY and encoding is not Encoding.TEXT:
        return _array_decoder(type, encoding)
    if encoding in _MICROS:
        return _day_since_epoch(encoding) if type.kind is Kind.DATE else _moment_since_epoch(type, encoding)
    match encoding:
        case Encoding.JSON:
            return json_text
        case Encoding.N:
            return lambda value: str(content(value, "N"))
        case Encoding.BOOL:
            return lambda value: "true" if content(value, "BOOL") else "false"
        case Encoding.B:
            return _bytes if type.kind is Kind.BYTES else _text_of_bytes(type)
    return lambda value: without_nul(content(value, "S"))


def keep_of(type: SourceType, encoding: Encoding) -> Keep | None:
    """How the encoding is coarser than the type; None where it holds all of every value."""
    if type.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ) and encoding in _KEEPS:
        return _KEEPS[encoding] if digits_of_second(type) > _DIGITS[encoding] else None
    if encoding in (Encoding.N, Encoding.S) and type.kind in NUMBERS:
        return number_keep(type)
    if encoding is Encoding.N and type.kind in TEXTS:
        return Keep.NUMBER
    if encoding is Encoding.JSON and type.kind is Kind.JSON:
        return Keep.DOCUMENT
    if encoding is Encoding.LIST:
        return Keep.LIST
    return Keep.MEMBERS if encoding in SETS else None


def number_keep(type: SourceType) -> Keep | None:
    """Of a number in plain normal form."""
    return None if type.kind is Kind.INTEGER or type.name == MONEY else Keep.EQUAL


def lossy(type: SourceType, encoding: Encoding) -> bool:
    """A time's day, and the number that a label or a uuid holds: nothing that could be written follows from them."""
    if encoding is Encoding.DATE:
        return type.kind is not Kind.DATE
    return encoding is Encoding.N and type.kind in (Kind.ENUM, Kind.UUID)


def digits_of_second(type: SourceType) -> int:
    """How many a timestamp has behind the point."""
    match = _PRECISION.match(type.name)
    return 6 if match is None else int(match[1])


def _array_decoder(type: SourceType, encoding: Encoding) -> Decode:
    element = type.element
    assert element is not None, f"{type.name} is an array without an element type"
    if encoding is Encoding.LIST:
        return list_decoder(element, decoder(element, default_encoding(element)))
    scalar = {Encoding.SS: Encoding.S, Encoding.NS: Encoding.N, Encoding.BS: Encoding.B}[encoding]
    return set_decoder(element, encoding, decoder(element, scalar))


def _bytes(value: AttributeValue) -> str:
    return rf"\x{base64.b64decode(content(value, 'B')).hex()}"


def _text_of_bytes(type: SourceType) -> Decode:
    errors = "strict" if type.utf8 else AS_BYTES

    def decode(value: AttributeValue) -> str:
        try:
            text = base64.b64decode(content(value, "B")).decode(errors=errors)
        except UnicodeDecodeError:
            raise Unreadable("holds bytes that are no UTF-8, and the column is a text") from None
        return without_nul(text)

    return decode


def _moment_since_epoch(type: SourceType, encoding: Encoding) -> Decode:
    zone = UTC if type.kind is Kind.TIMESTAMPTZ else None
    return lambda value: fixed_text(_since_epoch(value, _MICROS[encoding]).replace(tzinfo=zone))


def _day_since_epoch(encoding: Encoding) -> Decode:
    def decode(value: AttributeValue) -> str:
        moment = _since_epoch(value, _MICROS[encoding])
        if moment != datetime(moment.year, moment.month, moment.day):
            raise Unreadable("is within a day, and the column is a date")
        return fixed_text(moment.date())

    return decode


def _since_epoch(value: AttributeValue, micros: int) -> datetime:
    number = content(value, "N")
    if not _INTEGER.fullmatch(number):
        raise Unreadable("is no whole number since 1970, and the mapping makes it one")
    try:
        return _EPOCH + timedelta(microseconds=int(number) * micros)
    except OverflowError:
        raise Unreadable("is a time outside years 1 to 9999") from None
