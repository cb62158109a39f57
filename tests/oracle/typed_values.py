"""What docs/types.md promises of one value, written from that page alone: plain Python, boto3 and numpy.

Values are PostgreSQL's own texts, as its output functions print them. Nothing here knows how Crossover reads, holds
or encodes one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import numpy as np

from tests.oracle.plain_values import ABSENT, digits

DEEPEST: Final = 32
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Attribute = Any
"""A value that boto3's TypeSerializer takes, or ABSENT."""


class Refused(Exception):  # noqa: N818 (a verdict)
    """The row is a reject, for this reason."""


def attribute(family: str, encoding: str, text: bytes, depth: int = 0) -> Attribute:
    """`family` is one of FAMILIES, or `array of` one; `encoding` as in docs/types.md. `depth`: lists around it."""
    if family.startswith("array of "):
        return _array(family.removeprefix("array of "), encoding, text, depth)
    if encoding == "B" and family != "bytes":
        return text
    return FAMILIES[family](encoding, _decoded(text), depth)


def _decoded(text: bytes) -> str:
    """Bytes that are no UTF-8 as lone surrogates."""
    return text.decode("utf-8", "surrogateescape")


def _valid(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused("invalid_text") from None
    return text


def _number(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        raise Refused("not_a_number")
    try:
        value = Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        mantissa = re.split("[eE]", text)[0]
        if mantissa.strip("+-0.") == "":
            return Decimal(0)
        raise Refused("number_out_of_range") from None
    if value and not (len(str(value.as_tuple().digits).strip("(),")) > 0 and _in_range(value)):
        raise Refused("number_out_of_range")
    return value


def _in_range(value: Decimal) -> bool:
    significant = "".join(map(str, value.as_tuple().digits)).strip("0")
    return len(significant) <= 38 and -130 <= value.adjusted() <= 125


def _text(encoding: str, text: str, depth: int) -> Attribute:
    match encoding:
        case "N":
            return _number(text)
        case "json":
            return document(text, depth)
    return _valid(text)


def _char(encoding: str, text: str, depth: int) -> Attribute:
    return _text(encoding, text.rstrip(" ") if encoding == "N" else text, depth)


def _integer(encoding: str, text: str, depth: int) -> Attribute:
    return Decimal(text) if encoding == "N" else text


def _decimal(encoding: str, text: str, depth: int) -> Attribute:
    """numeric, and floats whose shortest digits are at hand."""
    if encoding == "text":
        return text
    if encoding == "N":
        return _number(text)
    try:
        return digits(_number(text))
    except Refused:
        return text


def _money(encoding: str, text: str, depth: int) -> Attribute:
    number = text.replace("$", "").replace(",", "")
    return _decimal(encoding, number, depth)


def _float8(encoding: str, text: str, depth: int) -> Attribute:
    return text if encoding == "text" else _decimal(encoding, _shortest(text, repr(float(text))), depth)


def _float4(encoding: str, text: str, depth: int) -> Attribute:
    single = np.format_float_scientific(np.float32(text), unique=True, trim="-")
    return text if encoding == "text" else _decimal(encoding, _shortest(text, single), depth)


def _shortest(printed: str, found: str) -> str:
    """PostgreSQL avoids digits that lie just between two floats (1e23): its own count then."""
    if printed in ("NaN", "Infinity", "-Infinity") or Decimal(printed) != Decimal(found):
        assert float(printed) == float(found) or printed == "NaN"
        return printed
    return found.removesuffix(".0")


def _boolean(encoding: str, text: str, depth: int) -> Attribute:
    return text == "t" if encoding == "BOOL" else {"t": "true", "f": "false"}[text]


def _bytes(encoding: str, text: str, depth: int) -> Attribute:
    return bytes.fromhex(text[2:]) if encoding == "B" else text


def _temporal(clock: bool, zone: str) -> Callable[[str, str, int], Attribute]:
    def temporal(encoding: str, text: str, depth: int) -> Attribute:
        year = re.match(r"\d+", text)
        inside = year is not None and not text.endswith("BC") and len(year[0]) == 4
        if not inside:
            if encoding == "text":
                return text
            raise Refused("unrepresentable_date")
        moment = datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S" if clock else "%Y-%m-%d").replace(tzinfo=UTC)
        fraction = re.search(r"\.(\d+)", text)
        moment += timedelta(microseconds=int(fraction[1].ljust(6, "0")) if fraction else 0)
        return _moment(encoding, moment, clock, zone)

    return temporal


def _moment(encoding: str, moment: datetime, clock: bool, zone: str) -> Attribute:
    day = date(moment.year, moment.month, moment.day).isoformat()
    match encoding:
        case "epoch_seconds":
            return Decimal((moment - EPOCH) // timedelta(seconds=1))
        case "epoch_millis":
            return Decimal((moment - EPOCH) // timedelta(milliseconds=1))
        case "date":
            return day
    return f"{day}T{moment:%H:%M:%S.%f}{zone}" if clock else day


def _json(encoding: str, text: str, depth: int) -> Attribute:
    return document(text, depth) if encoding == "json" else _valid(text)


def document(text: str, depth: int) -> Attribute:
    """Too deep comes first, then what is no strict JSON, then the members in their order, each object's names last."""
    if _brackets(text) > DEEPEST - depth:
        raise Refused("nested_too_deep")
    try:
        whole = json.loads(
            text, object_pairs_hook=_pairs, parse_int=_Digits, parse_float=_Digits, parse_constant=_constant
        )
    except (json.JSONDecodeError, RecursionError):
        raise Refused("invalid_json") from None
    return _member(whole, depth)


class _Digits(str):
    __slots__ = ()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Refused("invalid_json")
    return dict(pairs)


def _constant(_: str) -> None:
    raise Refused("invalid_json")


def _member(value: Any, depth: int) -> Attribute:
    if depth >= DEEPEST:
        raise Refused("nested_too_deep")
    match value:
        case _Digits():
            return _number(value)
        case str():
            return _valid(value)
        case list():
            return [_member(member, depth + 1) for member in value]
        case dict():
            members = {name: _member(member, depth + 1) for name, member in value.items()}
            for name in sorted(members):
                if not name or len(name.encode(errors="replace")) > 65_535:
                    raise Refused("attribute_name")
                _valid(name)
            return members
    return value


def _brackets(text: str) -> int:
    deepest = depth = 0
    inside = escaped = False
    for character in text:
        if inside:
            inside = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _array(family: str, encoding: str, text: bytes, depth: int) -> Attribute:
    if encoding == "text":
        return _valid(_without_symbols(_decoded(text)) if family == "money" else _decoded(text))
    elements = elements_of(_decoded(text), ";" if family == "box" else ",")
    if encoding == "L":
        return _list(family, elements, depth)
    return _set(family, encoding, elements)


def _without_symbols(prices: str) -> str:
    return re.sub('"(.*?)"', lambda found: found[1].replace(",", ""), prices).replace("$", "")


def _list(family: str, elements: list[Any], depth: int) -> list[Attribute]:
    def element(member: Any) -> Attribute:
        if depth + 1 >= DEEPEST:
            raise Refused("nested_too_deep")
        if isinstance(member, list):
            return _list(family, member, depth + 1)
        if member is None:
            return None
        return attribute(family, DEFAULTS.get(family, "L"), member.encode(errors="surrogateescape"), depth + 1)

    return [element(member) for member in elements]


def _set(family: str, encoding: str, elements: list[Any]) -> Attribute:
    if any(member is None or isinstance(member, list) for member in elements):
        raise Refused("set_null_or_duplicate")
    kind = {"SS": "text", "NS": "N", "BS": "B"}[encoding]
    members = [attribute(family, kind, member.encode(errors="surrogateescape")) for member in elements]
    if len(set(members)) < len(members):
        raise Refused("set_null_or_duplicate")
    return set(members) or ABSENT


def elements_of(text: str, delimiter: str = ",") -> list[Any]:
    """An array's elements as texts, None and lists, read character by character."""
    rest = list(re.sub(r"^(\[-?\d+:-?\d+\])+=", "", text)[::-1])
    found = _elements(rest, delimiter)
    assert not rest
    return found


def _elements(rest: list[str], delimiter: str) -> list[Any]:
    assert rest.pop() == "{"
    found: list[Any] = []
    while rest[-1] != "}":
        if rest[-1] == "{":
            found.append(_elements(rest, delimiter))
        elif rest[-1] == '"':
            found.append(_quoted(rest))
        else:
            found.append(_bare(rest, delimiter))
        if rest[-1] == delimiter:
            rest.pop()
    rest.pop()
    return found


def _quoted(rest: list[str]) -> str:
    rest.pop()
    text = ""
    while (character := rest.pop()) != '"':
        text += rest.pop() if character == "\\" else character
    return text


def _bare(rest: list[str], delimiter: str) -> str | None:
    text = ""
    while rest[-1] not in (delimiter, "}"):
        text += rest.pop()
    return None if text == "NULL" else text


FAMILIES: Final[dict[str, Callable[[str, str, int], Attribute]]] = {
    "integer": _integer,
    "decimal": _decimal,
    "money": _money,
    "float4": _float4,
    "float8": _float8,
    "boolean": _boolean,
    "bytes": _bytes,
    "text": _text,
    "char": _char,
    "date": _temporal(clock=False, zone=""),
    "timestamp": _temporal(clock=True, zone=""),
    "timestamptz": _temporal(clock=True, zone="Z"),
    "json": _json,
    "box": _text,
}
DEFAULTS: Final = {
    **dict.fromkeys(("integer", "decimal", "money", "float4", "float8"), "N"),
    **dict.fromkeys(("text", "char", "date", "timestamp", "timestamptz", "box"), "S"),
    "boolean": "BOOL",
    "bytes": "B",
    "json": "json",
}
