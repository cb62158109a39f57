r"""Lists and sets as PostgreSQL's array literals, `{"a","b \"c\"",NULL}`: the inverse of `pipelines.items.array_value`.

A list of lists is an array of more dimensions, unless an element itself is encoded as a list: elements of json, and
of a domain over an array, make arrays of one dimension. Lower bounds are 1.
https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipelines.items.canonical import AttributeValue
from pipelines.items.source_type import Encoding, Kind, SourceType
from pipelines.mapping.inverse.unreadable import content

Decode = Callable[[AttributeValue], str]

_SCALARS = {Encoding.SS: "S", Encoding.NS: "N", Encoding.BS: "B"}
_LISTED = frozenset({Kind.JSON, Kind.ARRAY})
"""Kinds of elements that may be lists themselves."""


def list_decoder(element: SourceType, decode: Decode) -> Decode:
    """`decode`: of one element that is not NULL. Raises Unreadable."""
    delimiter = _delimiter(element)

    def literal(value: AttributeValue) -> str:
        return _braces(map(member, content(value, "L")), delimiter)

    def member(value: AttributeValue) -> str:
        if "NULL" in value:
            return "NULL"
        if "L" in value and element.kind not in _LISTED:
            return literal(value)
        return _quoted(decode(value))

    return literal


def set_decoder(element: SourceType, encoding: Encoding, decode: Decode) -> Decode:
    kind, delimiter = _SCALARS[encoding], _delimiter(element)
    return lambda value: _braces(
        (_quoted(decode({kind: member})) for member in content(value, encoding.value)), delimiter
    )


def _braces(members: Iterable[str], delimiter: str) -> str:
    return "{" + delimiter.join(members) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _delimiter(element: SourceType) -> str:
    return ";" if element.name == "box" else ","
