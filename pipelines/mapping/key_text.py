"""The language of each key attribute: which texts its value can have."""

from __future__ import annotations

from pipelines.items.source_type import NUMBERS, TEMPORAL, Encoding, Kind
from pipelines.mapping.key_language import (
    ANY,
    DIGIT,
    Chars,
    Choice,
    Language,
    Repeat,
    Sequence,
    optional,
    text,
    times,
)
from pipelines.mapping.plan import ColumnValue, Format, KeyAttribute, KeyType, Placeholder, TemplateValue
from pipelines.mapping.templates import percent

_NATURAL = Choice((text("0"), Sequence((Chars(frozenset("123456789")), Repeat(DIGIT)))))
INTEGER = Sequence((optional(text("-")), _NATURAL))
NUMBER = Sequence((INTEGER, optional(Sequence((text("."), DIGIT, Repeat(DIGIT))))))
_NOT_FINITE = Choice((text("NaN"), text("Infinity"), text("-Infinity")))
_BOOLEAN = Choice((text("true"), text("false")))
_HEX = Chars(frozenset("0123456789abcdef"))
_UUID = Sequence(tuple(part for n in (8, 4, 4, 4, 12) for part in (text("-"), times(_HEX, n)))[1:])

_DAY_FORMAT = "%Y-%m-%d"
_CLOCK_FORMAT = f"{_DAY_FORMAT}T%H:%M:%S"


def key_language(key: KeyAttribute) -> Language:
    """Of an N key: its number in plain normal form; of a B key: nothing is known."""
    if key.type is KeyType.B:
        return ANY
    if isinstance(key.value, TemplateValue):
        parts = key.value.template.parts
        return Sequence(tuple(text(part) if isinstance(part, str) else placeholder_language(part) for part in parts))
    return _column(key.value)


def _column(value: ColumnValue) -> Language:
    match value.encoding:
        case Encoding.EPOCH_SECONDS | Encoding.EPOCH_MILLIS:
            return INTEGER
        case Encoding.DATE:
            return _strftime(_DAY_FORMAT)
        case Encoding.TEXT if value.type.kind is not Kind.UUID:
            return ANY
        case Encoding.N:
            return INTEGER if value.type.kind is Kind.INTEGER else NUMBER
    if value.type.kind in NUMBERS and value.type.kind is not Kind.INTEGER:
        return Choice((Repeat(Chars(frozenset("0123456789.-+e"))), _NOT_FINITE))
    return _plain(value.type.kind)


def placeholder_language(placeholder: Placeholder) -> Language:
    return _plain(placeholder.type.kind) if placeholder.format is None else _formatted(placeholder.format)


def _plain(kind: Kind) -> Language:
    if kind in TEMPORAL:
        return _temporal(kind)
    match kind:
        case Kind.INTEGER:
            return INTEGER
        case Kind.NUMERIC | Kind.FLOAT4 | Kind.FLOAT8:
            return NUMBER
        case Kind.BOOLEAN:
            return _BOOLEAN
        case Kind.UUID:
            return _UUID
    return ANY


def _temporal(kind: Kind) -> Language:
    if kind is Kind.DATE:
        return _strftime(_DAY_FORMAT)
    zone = "Z" if kind is Kind.TIMESTAMPTZ else ""
    return Sequence((_strftime(_CLOCK_FORMAT), text("."), times(DIGIT, 6), text(zone)))


def _formatted(format: Format) -> Language:
    if format.pad is not None:
        return times(DIGIT, format.pad)
    if format.strftime is not None:
        return _strftime(format.strftime)
    if format.modulus is not None:
        return _NATURAL
    if format.escape is not None:
        return _escaped(format.escape)
    return ANY


def _strftime(format: str) -> Language:
    parts: list[Language] = []
    literals = iter(format)
    for character in literals:
        if character == "%":
            parts.append(times(DIGIT, 4 if next(literals) == "Y" else 2))
        else:
            parts.append(text(character))
    return Sequence(tuple(parts))


def _escaped(following: str) -> Language:
    """Texts in which `%` and `following` stand as %XX only."""
    codes = {percent(character) for character in ("%", following) if character}
    free = Chars(frozenset({"%", following} - {""}), negated=True)
    return Repeat(Choice((free, *(text(code) for code in sorted(codes)))))
