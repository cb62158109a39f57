"""Canonical DynamoDB JSON, the Python form: one item, one text.

Attributes sorted by name (code points), no white space, numbers in plain normal form, sets sorted by the code
points of their members' text, strings escaped by `quote`. Equal items have equal texts and equal digests.
The Spark form is in `pipelines.items.canonical_spark`; a property test holds the two equal.

Wire format: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from pipelines.items.number import canonical_number
from pipelines.items.reject import RejectReason, Unrepresentable

AttributeValue = Mapping[str, Any]
"""One value in DynamoDB's wire format, `{"S": "x"}`; binaries as base64 text or as bytes."""

MAX_DEPTH = 32
"""Levels of an attribute's value, the value itself counted: a scalar inside 31 lists and maps is the deepest."""
MAX_NAME_BYTES = 65_535
NO_UTF8 = "a text is no valid UTF-8"

NULL = '{"NULL":true}'
TRUE = '{"BOOL":true}'
FALSE = '{"BOOL":false}'
EMPTY_LIST = '{"L":[]}'

_HEX_LETTER_ESCAPE = re.compile(r"(\\\\)|\\u00[01][0-9a-f]")


def quote(text: str) -> str:
    r"""A JSON string: `"` and `\` escaped, `\b \t \n \f \r` short, other control characters as `\u001F` with
    capital digits (Jackson's way, so that Spark's `to_json` agrees); everything else as it is.

    Raises Unrepresentable (INVALID_TEXT) for a lone surrogate, which has no UTF-8 form.
    """
    quoted: str = encode_basestring(text)
    if not text.isascii():
        utf8(text)
    if "\\u00" in quoted:
        quoted = _HEX_LETTER_ESCAPE.sub(lambda m: m[0] if m[1] else m[0][:2] + m[0][2:].upper(), quoted)
    return quoted


def utf8(text: str, errors: str = "strict") -> bytes:
    """Raises Unrepresentable (INVALID_TEXT) for a lone surrogate, which has no UTF-8 form; with `errors` AS_BYTES for
    one that stands for no byte either."""
    try:
        return text.encode(errors=errors)
    except UnicodeEncodeError:
        raise Unrepresentable(RejectReason.INVALID_TEXT, NO_UTF8) from None


def string(text: str) -> str:
    return f'{{"S":{quote(text)}}}'


def number(text: str) -> str:
    return f'{{"N":"{canonical_number(text)}"}}'


def boolean(value: bool) -> str:
    return TRUE if value else FALSE


def binary(value: str | bytes) -> str:
    """`value` as bytes or as base64 text."""
    return f'{{"B":"{_base64(value)}"}}'


def list_of(fragments: Iterable[str]) -> str:
    """A list of values that are canonical already."""
    return f'{{"L":[{",".join(fragments)}]}}'


def attributes_of(fragments: Mapping[str, str]) -> str:
    """`{"name":value,…}` sorted by name: an item, a key, or what stands inside a map. Values are canonical already."""
    return "{" + ",".join([_prefix(name) + fragments[name] for name in sorted(fragments)]) + "}"


@lru_cache(maxsize=1024)  # items of one type share their names
def _prefix(name: str) -> str:
    return quote(check_name(name)) + ":"


def map_of(fragments: Mapping[str, str]) -> str:
    return f'{{"M":{attributes_of(fragments)}}}'


def string_set(members: Sequence[str]) -> str:
    return f'{{"SS":[{",".join(quote(member) for member in _distinct(members))}]}}'


def number_set(members: Sequence[str]) -> str:
    return f'{{"NS":[{",".join(quote(member) for member in _distinct([canonical_number(m) for m in members]))}]}}'


def binary_set(members: Sequence[str | bytes]) -> str:
    """Members as bytes or as base64 text."""
    return f'{{"BS":[{",".join(quote(member) for member in _distinct([_base64(m) for m in members]))}]}}'


def check_level(depth: int) -> None:
    """Raises Unrepresentable (NESTED_TOO_DEEP) where a value with `depth` lists and maps around it is too deep.

    DynamoDB itself takes a scalar inside 31 maps and refuses one inside 32.
    """
    if depth >= MAX_DEPTH:
        raise too_deep()


def too_deep() -> Unrepresentable:
    return Unrepresentable(RejectReason.NESTED_TOO_DEEP, f"over {MAX_DEPTH} levels")


def check_name(name: str) -> str:
    """The attribute name itself; raises Unrepresentable (ATTRIBUTE_NAME) where DynamoDB takes none such."""
    if not name:
        raise Unrepresentable(RejectReason.ATTRIBUTE_NAME, "an attribute name is empty")
    if len(name) > MAX_NAME_BYTES // 4 and len(utf8(name)) > MAX_NAME_BYTES:
        raise Unrepresentable(RejectReason.ATTRIBUTE_NAME, "an attribute name is over 65,535 bytes")
    return name


def canonical_value(value: AttributeValue, depth: int = 0) -> str:
    """Any AttributeValue as canonical text.

    `depth` is the number of lists and maps around the value. Raises Unrepresentable as its parts do, and
    NESTED_TOO_DEEP over 32 levels; ValueError for what is no AttributeValue.
    """
    if len(value) != 1:
        raise ValueError("an AttributeValue has exactly one type")
    check_level(depth)
    ((kind, content),) = value.items()
    if kind == "S":
        return f'{{"S":{quote(content)}}}'
    if kind == "M":
        return map_of({name: canonical_value(member, depth + 1) for name, member in content.items()})
    if kind == "L":
        return list_of([canonical_value(member, depth + 1) for member in content])
    leaf = _LEAVES.get(kind)
    if leaf is None:
        raise ValueError(f"no DynamoDB type {kind!r}")
    return leaf(content)


def canonical_item(item: Mapping[str, AttributeValue]) -> str:
    """A whole item, or a key, as canonical text."""
    return attributes_of({name: canonical_value(value) for name, value in item.items()})


def digest(item: str) -> bytes:
    """SHA-256 of the UTF-8 of a canonical item: 32 bytes."""
    return hashlib.sha256(item.encode()).digest()


def _distinct(members: Sequence[str]) -> list[str]:
    ordered = sorted(members)
    if len(set(ordered)) != len(ordered):
        raise Unrepresentable(RejectReason.SET_NULL_OR_DUPLICATE, "a set has a member twice")
    return ordered


def _base64(content: str | bytes) -> str:
    """Canonical base64: padded, spare bits zero."""
    if not isinstance(content, str):
        return base64.b64encode(content).decode("ascii")
    try:
        return base64.b64encode(base64.b64decode(content, validate=True)).decode("ascii")
    except binascii.Error as error:
        raise ValueError("a binary value is no base64") from error


_LEAVES: dict[str, Callable[[Any], str]] = {
    "S": string,
    "N": number,
    "BOOL": boolean,
    "NULL": lambda _: NULL,
    "B": binary,
    "SS": string_set,
    "NS": number_set,
    "BS": binary_set,
}
