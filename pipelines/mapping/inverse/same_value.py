"""Texts of one column's value that stands in several places: whether they are the same value, and what a join or a
source key has of it."""

from __future__ import annotations

from pipelines.items.number import plain_number
from pipelines.items.reject import Unrepresentable
from pipelines.items.source_type import NUMBERS, Kind, SourceType

_APART = frozenset({Kind.JSON, Kind.ARRAY})


def joined(type: SourceType, text: str) -> str:
    """As `pipelines.mapping.source_row.match_text` has it: numbers by value, char(n) without its padding."""
    if type.kind is Kind.CHAR:
        return text.rstrip(" ")
    return in_source_key(type, text)


def in_source_key(type: SourceType, text: str) -> str:
    """As `pipelines.mapping.templates.template_text` has it: numbers in plain normal form."""
    if type.kind not in NUMBERS:
        return text
    try:
        return plain_number(text)
    except Unrepresentable:
        return text  # NaN and the infinities


def same_value(type: SourceType, one: str | None, other: str | None) -> bool:
    """Json and arrays, which have many texts for one value, are not judged."""
    if one is None or other is None:
        return one is other
    if type.kind is Kind.UUID:
        return one.lower() == other.lower()
    return type.kind in _APART or joined(type, one) == joined(type, other)
