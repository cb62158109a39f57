"""JSON text as a canonical AttributeValue, every digit kept: no number goes through a float."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from pipelines.items.canonical import (
    MAX_DEPTH,
    NULL,
    boolean,
    check_level,
    list_of,
    map_of,
    number,
    string,
    too_deep,
)
from pipelines.items.reject import RejectReason, Unrepresentable

_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


class _Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


def json_document(text: str, depth: int = 0) -> str:
    """The document's canonical fragment; JSON's null gives `{"NULL":true}`.

    `depth` is the number of lists and maps that will stand around it.

    Raises Unrepresentable: NESTED_TOO_DEEP (judged first, from the brackets alone), INVALID_JSON (no strict JSON,
    or one name twice in an object), NUMBER_OUT_OF_RANGE, ATTRIBUTE_NAME (an empty name), INVALID_TEXT (a lone
    surrogate).
    """
    _check_nesting(text, MAX_DEPTH - depth)
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unrepresentable(RejectReason.INVALID_JSON, f"not JSON at character {error.pos}") from None
    return _fragment(document, depth)


def _fragment(value: Any, depth: int) -> str:
    check_level(depth)
    kind = type(value)
    if kind is str:
        return string(value)
    if kind is _Number:
        return number(value)
    if kind is dict:
        return map_of({name: _fragment(member, depth + 1) for name, member in value.items()})
    if kind is list:
        return list_of([_fragment(member, depth + 1) for member in value])
    return NULL if value is None else boolean(value)


def _check_nesting(text: str, most: int) -> None:
    """Refuses more than `most` containers in one another, before a recursive parser meets them. What stands in
    the innermost is not looked at: that one may be empty."""
    if text.count("[") + text.count("{") <= most:
        return
    depth = 0
    for token in _STRUCTURE.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            if depth > most:
                raise too_deep()
        elif mark in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unrepresentable(RejectReason.INVALID_JSON, "an object has one name twice")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise Unrepresentable(RejectReason.INVALID_JSON, "NaN and Infinity are no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_refuse_constant
)
