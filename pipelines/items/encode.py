"""A source column's value as an AttributeValue, the Python form.

Which encodings a type may have, which is its default, and the canonical fragment of one value. The Spark form
stands in `pipelines.items.encode_spark`; where Spark has no exact expression it calls these functions.

Values are in their physical form (`pipelines.items.source_type.Kind`): int, str, bool, bytes, date, datetime; a text
that may be no UTF-8 is a str, decoded with AS_BYTES.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipelines.items.array_value import list_encoder, set_encoder, set_encodings
from pipelines.items.canonical import binary, boolean, number, string, utf8
from pipelines.items.json_document import json_document
from pipelines.items.number import canonical_number
from pipelines.items.reject import RejectReason, Unrepresentable
from pipelines.items.source_type import AS_BYTES, NUMBERS, TEMPORAL, TEXTS, Encoding, Kind, SourceType
from pipelines.items.temporal import day_text, epoch_millis, epoch_seconds, fixed_text

Encoder = Callable[[Any, str | None], str | None]
"""(value, `::raw` text of a temporal column) → canonical fragment, None for NULL and for an empty set."""


def default_encoding(type: SourceType) -> Encoding:
    return _DEFAULTS[type.kind]


def encodings_of(type: SourceType) -> frozenset[Encoding]:
    """The encodings that a column of this type may be given, its default included."""
    if type.kind is Kind.ARRAY:
        return frozenset({Encoding.LIST, Encoding.TEXT, *set_encodings(_element(type))})
    return frozenset(encoding for kind, encoding in _SCALARS if kind is type.kind) | (
        frozenset(_TEMPORALS) if type.kind in TEMPORAL else frozenset()
    )


def encode(type: SourceType, encoding: Encoding, value: object | None, raw: str | None, depth: int = 0) -> str | None:
    """The canonical fragment, `{"N":"1.5"}`; None for NULL and for an empty SS, NS or BS.

    `raw` is the text beside a DATE, TIMESTAMP or TIMESTAMPTZ that is outside years 1 to 9999; None otherwise.
    `depth` is the number of lists and maps that will stand around the value in the item: JSON documents and
    arrays count on from there. Raises Unrepresentable.
    """
    return encoder(type, encoding, depth)(value, raw)


def encoder(type: SourceType, encoding: Encoding, depth: int = 0) -> Encoder:
    """`encode` with all but the value bound, for many values. Raises ValueError for a pair that is not allowed."""
    if type.kind is Kind.ARRAY and encoding is not Encoding.TEXT:
        return _nullable(_array_encoder(type, encoding, depth))
    if encoding is Encoding.JSON and (type.kind, encoding) in _SCALARS:
        return _nullable(lambda text: json_document(text, depth))
    if type.kind in TEMPORAL and encoding in _TEMPORALS:
        return _temporal_encoder(encoding)
    scalar = _SCALARS.get((type.kind, encoding))
    if scalar is None:
        raise ValueError(f"{type.name} has no encoding {encoding}")
    return _nullable(scalar)


def _nullable(scalar: Callable[[Any], str | None]) -> Encoder:
    def nullable(value: Any, raw: str | None) -> str | None:  # noqa: ARG001 (only temporal columns have a raw text)
        return None if value is None else scalar(value)

    return nullable


def _temporal_encoder(encoding: Encoding) -> Encoder:
    scalar = _TEMPORALS[encoding]
    keeps_raw = encoding is Encoding.TEXT

    def temporal(value: Any, raw: str | None) -> str | None:
        if value is not None:
            return scalar(value)
        if raw is None:
            return None
        if keeps_raw:
            return string(raw)
        raise Unrepresentable(RejectReason.UNREPRESENTABLE_DATE, "infinite, or outside years 1 to 9999")

    return temporal


def _integer(value: int) -> str:
    return f'{{"N":"{value}"}}'


def _number_or_text(value: str) -> str:
    try:
        return string(canonical_number(value))
    except Unrepresentable:
        return string(value)


_DEFAULTS: dict[Kind, Encoding] = {
    **dict.fromkeys(NUMBERS, Encoding.N),
    **dict.fromkeys((*TEXTS, *TEMPORAL, Kind.OTHER), Encoding.S),
    Kind.BOOLEAN: Encoding.BOOL,
    Kind.BYTES: Encoding.B,
    Kind.JSON: Encoding.JSON,
    Kind.ARRAY: Encoding.LIST,
}

_SCALARS: dict[tuple[Kind, Encoding], Callable[[Any], str]] = {
    (Kind.INTEGER, Encoding.N): _integer,
    (Kind.INTEGER, Encoding.S): lambda value: string(str(value)),
    (Kind.INTEGER, Encoding.TEXT): lambda value: string(str(value)),
    (Kind.BOOLEAN, Encoding.BOOL): boolean,
    (Kind.BOOLEAN, Encoding.TEXT): lambda value: string("true" if value else "false"),
    (Kind.BYTES, Encoding.B): binary,
    (Kind.BYTES, Encoding.TEXT): lambda value: string(rf"\x{value.hex()}"),
    (Kind.JSON, Encoding.JSON): json_document,
    (Kind.JSON, Encoding.TEXT): string,
    (Kind.TEXT, Encoding.JSON): json_document,
    (Kind.ARRAY, Encoding.TEXT): string,
    (Kind.OTHER, Encoding.S): string,
    (Kind.OTHER, Encoding.TEXT): string,
}
for _kind in NUMBERS - {Kind.INTEGER}:
    _SCALARS[_kind, Encoding.N] = number
    _SCALARS[_kind, Encoding.S] = _number_or_text
    _SCALARS[_kind, Encoding.TEXT] = string
for _kind in TEXTS:
    _SCALARS[_kind, Encoding.S] = string
    _SCALARS[_kind, Encoding.TEXT] = string
    _SCALARS[_kind, Encoding.N] = number
    _SCALARS[_kind, Encoding.B] = lambda value: binary(utf8(value, AS_BYTES))
_SCALARS[Kind.CHAR, Encoding.N] = lambda value: number(value.rstrip(" "))

_TEMPORALS: dict[Encoding, Callable[[Any], str]] = {
    Encoding.S: lambda value: f'{{"S":"{fixed_text(value)}"}}',
    Encoding.TEXT: lambda value: f'{{"S":"{fixed_text(value)}"}}',
    Encoding.DATE: lambda value: f'{{"S":"{day_text(value)}"}}',
    Encoding.EPOCH_SECONDS: lambda value: _integer(epoch_seconds(value)),
    Encoding.EPOCH_MILLIS: lambda value: _integer(epoch_millis(value)),
}


def _array_encoder(type: SourceType, encoding: Encoding, depth: int) -> Callable[[str], str | None]:
    element = _element(type)
    if encoding is Encoding.LIST:
        return list_encoder(element, lambda level: encoder(element, default_encoding(element), level), depth)
    if encoding in set_encodings(element):
        return set_encoder(element, encoding)
    raise ValueError(f"{type.name} has no encoding {encoding}")


def _element(type: SourceType) -> SourceType:
    if type.element is None:
        raise ValueError(f"{type.name} is an array without an element type")
    return type.element
