"""A source column's value as an AttributeValue, the Spark form of `pipelines.items.encode`.

Every pair of kind and encoding gives the same fragment, the same size and the same reason to refuse as the Python
form; a property test holds them equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.canonical import NO_UTF8
from pipelines.items.canonical_spark import (
    binary_fragment,
    boolean_fragment,
    harmless_string,
    number_fragment,
    string_fragment,
)
from pipelines.items.encode_arrow import encode_batches
from pipelines.items.number_spark import integer_size, number_problem, number_size, plain_number
from pipelines.items.problem_spark import Cause, Problem, problem_when
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import NUMBERS, TEMPORAL, TEXTS, Encoding, Kind, SourceType
from pipelines.items.sql_text import Column

_ISO = {
    Kind.TIMESTAMP: "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
    Kind.TIMESTAMPTZ: "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'",
}


@dataclass(frozen=True)
class Encoded:
    """One value.

    `fragment` and `size` (bytes) are null for NULL; both mean nothing where there is a problem. `text`: of an S, N
    or B, what stands between the quotation marks, unescaped: what a set is sorted by. `problem`: None where the
    type rules every problem out.
    """

    fragment: Column
    size: Column
    text: Column | None = None
    problem: Problem | None = None


def encode(
    type: SourceType,
    encoding: Encoding,
    value: Column,
    raw: Column | None = None,
    depth: int = 0,
    plain: Column | None = None,
) -> Encoded:
    """`raw` is the `::raw` column of a temporal one; `depth` the number of lists and maps around the value; `plain`
    the plain normal form of a number, where it is at hand already."""
    if type.kind in TEMPORAL:
        assert raw is not None
        return _temporal(type, encoding, value, raw)
    if type.kind in NUMBERS and type.kind is not Kind.INTEGER:
        return _number_in(encoding, type, value, plain_number(type, value) if plain is None else plain)
    exact = _EXACT.get((type.kind, encoding))
    return exact(type, value) if exact else _by_python(type, encoding, value, depth)


def temporal_text(type: SourceType, value: Column) -> Column:
    """`2026-11-24`, or `2026-11-24T08:55:13.123456` with a `Z` for timestamptz: fixed width, so that it sorts."""
    return value.cast("string") if type.kind is Kind.DATE else F.call("date_format", value, F.lit(_ISO[type.kind]))


def outside_calendar(raw: Column) -> Problem:
    """The problem of a temporal value that only its `::raw` text can show."""
    detail = F.lit("infinite, or outside years 1 to 9999")
    return problem_when(raw.isNotNull(), RejectReason.UNREPRESENTABLE_DATE, detail)


def invalid_text(type: SourceType, value: Column) -> Problem | None:
    """The problem of a text whose bytes are no UTF-8; None where the server rules that out."""
    if type.utf8:
        return None
    return problem_when(~F.call("is_valid_utf8", value), RejectReason.INVALID_TEXT, F.lit(NO_UTF8))


def _string(type: SourceType, value: Column) -> Encoded:
    return Encoded(string_fragment(value), F.octets(value), value, invalid_text(type, value))


def _harmless(text: Column) -> Encoded:
    return Encoded(harmless_string(text), F.octets(text), text)


def _integer(_: SourceType, value: Column) -> Encoded:
    text = value.cast("string")
    return Encoded(number_fragment(text), integer_size(value), text)


def _number_in(encoding: Encoding, type: SourceType, value: Column, plain: Column) -> Encoded:
    """As S it is canonical where DynamoDB could hold the number, else as PostgreSQL prints it."""
    found = number_problem(type, value, plain)
    if encoding is Encoding.N:
        return Encoded(number_fragment(plain), number_size(plain), plain, found)
    if encoding is Encoding.TEXT or found is None:
        return _harmless(value)
    return _harmless(F.when(found.found, value).otherwise(plain))


def _integer_as_text(_: SourceType, value: Column) -> Encoded:
    return _harmless(value.cast("string"))


def _boolean(_: SourceType, value: Column) -> Encoded:
    return Encoded(boolean_fragment(value), F.when(value.isNotNull(), F.lit(1)))


def _bytes(_: SourceType, value: Column) -> Encoded:
    return Encoded(binary_fragment(value), F.octets(value), F.call("base64", value))


def _bytes_as_text(type: SourceType, value: Column) -> Encoded:
    return _string(type, F.concat(F.lit(r"\x"), F.call("lower", F.call("hex", value))))


def _temporal(type: SourceType, encoding: Encoding, value: Column, raw: Column) -> Encoded:
    instant = value if type.kind is Kind.DATE else value.cast("timestamp")
    match encoding:
        case Encoding.TEXT:
            return _harmless(F.coalesce(temporal_text(type, value), raw))
        case Encoding.EPOCH_SECONDS | Encoding.EPOCH_MILLIS:
            encoded = _integer(type, _since_epoch(type, encoding, instant))
        case Encoding.DATE:
            encoded = _harmless(instant.cast("date").cast("string"))
        case _:
            encoded = _harmless(temporal_text(type, value))
    return Encoded(encoded.fragment, encoded.size, encoded.text, outside_calendar(raw))


def _since_epoch(type: SourceType, encoding: Encoding, instant: Column) -> Column:
    per_second = 1000 if encoding is Encoding.EPOCH_MILLIS else 1
    if type.kind is Kind.DATE:
        return F.call("unix_date", instant).cast("long") * (86_400 * per_second)
    return F.call("unix_millis" if encoding is Encoding.EPOCH_MILLIS else "unix_seconds", instant)


def _by_python(type: SourceType, encoding: Encoding, value: Column, depth: int) -> Encoded:
    outcome = encode_batches(type, encoding, depth, value)
    found = Problem((Cause(outcome["reason"].isNotNull(), outcome["reason"], outcome["detail"]),))
    fragment = outcome["fragment"]
    text = F.substring(fragment, 7, F.call("length", fragment) - 8)  # `{"N":"` … `"}`
    return Encoded(fragment, outcome["size"], text if encoding is Encoding.N else None, found)


_EXACT: dict[tuple[Kind, Encoding], Callable[[SourceType, Column], Encoded]] = {
    (Kind.INTEGER, Encoding.N): _integer,
    (Kind.INTEGER, Encoding.S): _integer_as_text,
    (Kind.INTEGER, Encoding.TEXT): _integer_as_text,
    (Kind.BOOLEAN, Encoding.BOOL): _boolean,
    (Kind.BOOLEAN, Encoding.TEXT): lambda _, value: _harmless(value.cast("string")),
    (Kind.BYTES, Encoding.B): _bytes,
    (Kind.BYTES, Encoding.TEXT): _bytes_as_text,
    (Kind.JSON, Encoding.TEXT): _string,
    (Kind.ARRAY, Encoding.TEXT): _string,
    (Kind.OTHER, Encoding.S): _string,
    (Kind.OTHER, Encoding.TEXT): _string,
}
for _kind in TEXTS:
    _EXACT[_kind, Encoding.S] = _string
    _EXACT[_kind, Encoding.TEXT] = _string
    _EXACT[_kind, Encoding.B] = lambda type, value: _bytes(type, value.cast("binary"))
_EXACT[Kind.UUID, Encoding.S] = _EXACT[Kind.UUID, Encoding.TEXT] = lambda _, value: _harmless(value)
