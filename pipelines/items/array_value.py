"""PostgreSQL arrays as lists and sets. An element has the physical form, and the encoding, of a column of its type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from pipelines.items.array_text import ArrayElements, flat, parse_array
from pipelines.items.canonical import NULL, binary_set, check_level, list_of, number_set, string_set
from pipelines.items.reject import RejectReason, Unrepresentable
from pipelines.items.source_type import NUMBERS, TEMPORAL, TEXTS, Encoding, Kind, SourceType

EncoderAt = Callable[[int], Callable[[Any, str | None], str | None]]
"""The encoder of one element, (value, raw) → fragment, for a number of lists and maps around it."""


def set_encodings(element: SourceType) -> frozenset[Encoding]:
    """Which sets an array of such elements can be. An unknown type may have a delimiter of its own."""
    if not element.known:
        return frozenset()
    if element.kind in TEXTS or element.kind is Kind.OTHER:
        return frozenset({Encoding.SS})
    if element.kind in NUMBERS:
        return frozenset({Encoding.NS})
    return frozenset({Encoding.BS}) if element.kind is Kind.BYTES else frozenset()


def list_encoder(element: SourceType, encoder_at: EncoderAt, depth: int) -> Callable[[str], str]:
    """array literal → `{"L":[…]}`, nested where the array is. `depth`: lists and maps around the whole of it."""
    delimiter = _delimiter(element)
    return lambda literal: _list(parse_array(literal, delimiter), element.kind, encoder_at, depth)


def set_encoder(element: SourceType, encoding: Encoding) -> Callable[[str], str | None]:
    """array literal → `{"SS":[…]}`, or NS or BS; None where it is empty."""
    delimiter, build = _delimiter(element), _SETS[encoding]
    return lambda literal: _set(parse_array(literal, delimiter), element.kind, build)


def _list(elements: ArrayElements, kind: Kind, encoder_at: EncoderAt, depth: int) -> str:
    check_level(depth)
    if elements:
        check_level(depth + 1)
    encode = encoder_at(depth + 1)
    fragments: list[str] = []
    for member in elements:
        if isinstance(member, list):
            fragments.append(_list(member, kind, encoder_at, depth + 1))
        else:
            fragments.append(NULL if member is None else encode(*_physical(member, kind)) or NULL)
    return list_of(fragments)


def _set(elements: ArrayElements, kind: Kind, build: Callable[[Any], str]) -> str | None:
    members = flat(elements)
    if members is None:
        raise Unrepresentable(RejectReason.SET_NULL_OR_DUPLICATE, "a set cannot hold the rows of a nested array")
    if None in members:
        raise Unrepresentable(RejectReason.SET_NULL_OR_DUPLICATE, "a set has a NULL")
    if not members:
        return None
    return build([_bytes(text) if kind is Kind.BYTES else text for text in members if text is not None])


_SETS: dict[Encoding, Callable[[Any], str]] = {
    Encoding.SS: string_set,
    Encoding.NS: number_set,
    Encoding.BS: binary_set,
}


def _delimiter(element: SourceType) -> str:
    return ";" if element.name == "box" else ","


def _physical(text: str, kind: Kind) -> tuple[object | None, str | None]:
    """An element's text in the physical form of its kind: (value, raw)."""
    if kind is Kind.INTEGER:
        return int(text), None
    if kind is Kind.BOOLEAN:
        return text == "t", None
    if kind is Kind.BYTES:
        return _bytes(text), None
    if kind in TEMPORAL:
        value = _temporal(text, kind)
        return value, text if value is None else None
    return text, None


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix(r"\x"))


def _temporal(text: str, kind: Kind) -> date | None:
    """The value of PostgreSQL's ISO text; None for infinities, BC, and years past 9999."""
    try:
        return date.fromisoformat(text) if kind is Kind.DATE else datetime.fromisoformat(text)
    except ValueError:
        return None
