"""A row's key as text, in SQL: what `source_key_of` (`pipelines.mapping.online`) and Spark give for the same row.

The expressions depend on no setting of the session that runs the statement, apart from those that `pinned` names:
a function that uses them sets these for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from psycopg import sql
from psycopg.sql import Composable, Literal

from pipelines.items.canonical import quote
from pipelines.items.number import MAX_DIGITS, MAX_EXPONENT, MIN_EXPONENT
from pipelines.items.source_type import MONEY, Kind, SourceType
from pipelines.mapping.capture import KeyPart
from pipelines.source.connect import SESSION
from pipelines.source.ledger.names import QUOTED

Reference = Callable[[str], Composable]
"""A column by its name: `NEW."id"`."""

_TIMELESS = frozenset(
    {Kind.INTEGER, Kind.NUMERIC, Kind.BOOLEAN, Kind.BYTES, Kind.TEXT, Kind.CHAR, Kind.UUID, Kind.ENUM}
)
"""Kinds whose text is the same in every session."""

_BARE = frozenset({Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT4, Kind.FLOAT8, Kind.BOOLEAN, Kind.UUID})
"""Kinds whose text JSON never escapes; that of the temporal ones is made here, and harmless too."""

_PRINTED_BY_SETTINGS = ("TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output", "xmloption")

# concat() calls the type's output function: a cast to text could be user-defined, and strips a char(n) of its blanks.
_OUTPUT = sql.SQL("CASE WHEN {} IS DISTINCT FROM NULL THEN pg_catalog.concat({}) END")

_TEMPORAL = {
    Kind.DATE: sql.SQL(
        "CASE WHEN {column} BETWEEN '0001-01-01'::pg_catalog.date AND '9999-12-31'::pg_catalog.date"
        " THEN pg_catalog.to_char({column}::pg_catalog.timestamp, 'YYYY-MM-DD') END"
    ),
    Kind.TIMESTAMP: sql.SQL(
        "CASE WHEN {column} >= '0001-01-01'::pg_catalog.timestamp AND {column} < '10000-01-01'::pg_catalog.timestamp"
        """ THEN pg_catalog.to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.US') END"""
    ),
    Kind.TIMESTAMPTZ: sql.SQL(
        "CASE WHEN {column} >= '0001-01-01 00:00:00+00'::pg_catalog.timestamptz"
        " AND {column} < '10000-01-01 00:00:00+00'::pg_catalog.timestamptz"
        """ THEN pg_catalog.to_char(pg_catalog.timezone('UTC', {column}), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END"""
    ),
}


def pinned(types: Iterable[SourceType]) -> tuple[tuple[str, str], ...]:
    """The settings, with their values, that the texts of these types depend on."""
    if all(type.kind in _TIMELESS for type in types):
        return ()
    return tuple((name, value) for name, value in SESSION if name in _PRINTED_BY_SETTINGS)


def source_key(key: Sequence[KeyPart], reference: Reference) -> Composable:
    """`{"order_id":"6"}`; NULL where a part is NULL or has no text in a template."""
    pieces: list[Composable] = []
    opening = "{"
    for part in key:
        bare = part.type.kind in _BARE or part.type.kind in _TEMPORAL
        mark = '"' if bare else ""
        pieces += [Literal(f"{opening}{quote(part.root_column)}:{mark}"), _member(part, reference, bare)]
        opening = f"{mark},"
    return sql.SQL(" || ").join([*pieces, Literal(opening.replace(",", "}"))])


def link(columns: Sequence[tuple[str, SourceType]], reference: Reference) -> Composable:
    """An array of the texts that rows are joined by (`source_row.match_text`); NULL where a column is NULL."""
    known = sql.SQL(" AND ").join([sql.SQL("{} IS DISTINCT FROM NULL").format(reference(name)) for name, _ in columns])
    texts = sql.SQL(", ").join([_match_text(type, reference(name)) for name, type in columns])
    return sql.SQL("CASE WHEN {} THEN ARRAY[{}] END").format(known, texts)


def left_row(columns: Sequence[tuple[str, SourceType]], reference: Reference) -> Composable:
    """A jsonb object, column → text: `jsonb_populate_record` makes the values of it again."""
    pairs = [
        piece
        for name, type in columns
        for piece in (Literal(name), sql.SQL("({})").format(_input_text(type, reference(name))))
    ]
    return sql.SQL("pg_catalog.jsonb_build_object({})").format(sql.SQL(", ").join(pairs))


def _member(part: KeyPart, reference: Reference, bare: bool) -> Composable:
    text = _template_text(part.type, reference(part.column))
    return sql.SQL("({})").format(text) if bare else sql.SQL("{}({})").format(QUOTED, text)


def _template_text(type: SourceType, column: Composable) -> Composable:
    """The text in a template without a format; NULL for NULL and where there is none (NaN, infinities)."""
    if type.kind in _TEMPORAL:
        return _TEMPORAL[type.kind].format(column=column)
    if type.kind in (Kind.NUMERIC, Kind.FLOAT4, Kind.FLOAT8):
        return _within_range(_exact(type, column))
    return _text(type, column)


def _match_text(type: SourceType, column: Composable) -> Composable:
    if type.kind in (Kind.NUMERIC, Kind.FLOAT4, Kind.FLOAT8):
        return sql.SQL("pg_catalog.trim_scale({})::pg_catalog.text").format(_exact(type, column))
    return _input_text(type, column)


def _input_text(type: SourceType, column: Composable) -> Composable:
    """Of which the type makes the same value again; char(n) without its padding."""
    if type.kind in (Kind.CHAR, Kind.FLOAT4, Kind.FLOAT8, *_TEMPORAL):
        return sql.SQL("{}::pg_catalog.text").format(column)
    if type.kind is Kind.NUMERIC:
        return sql.SQL("{}::pg_catalog.text").format(_exact(type, column))
    return _text(type, column)


def _text(type: SourceType, column: Composable) -> Composable:
    if type.kind is Kind.BYTES:
        return sql.SQL("{} || pg_catalog.encode({}, 'hex')").format(Literal("\\x"), column)
    if type.kind in (Kind.INTEGER, Kind.BOOLEAN, Kind.UUID) or (type.kind is Kind.TEXT and type.name != '"char"'):
        return sql.SQL("{}::pg_catalog.text").format(column)
    return _OUTPUT.format(column, column)


def _exact(type: SourceType, column: Composable) -> Composable:
    """As numeric. A float by the digits that it is printed with: its own cast to numeric keeps fifteen."""
    if type.kind in (Kind.FLOAT4, Kind.FLOAT8):
        return sql.SQL("{}::pg_catalog.text::pg_catalog.numeric").format(column)
    return sql.SQL("{}::pg_catalog.numeric").format(column) if type.name == MONEY else column


def _within_range(number: Composable) -> Composable:
    """In plain normal form, where DynamoDB holds it (`items.number`)."""
    return sql.SQL(
        "CASE WHEN {number} = 0 THEN '0'"
        " WHEN {number} IN ('NaN', 'Infinity', '-Infinity') OR pg_catalog.abs({number}) NOT BETWEEN {least} AND {most}"
        " OR pg_catalog.length(pg_catalog.btrim(pg_catalog.translate({number}::pg_catalog.text, '-.', ''), '0'))"
        " > {digits} THEN NULL"
        " ELSE pg_catalog.trim_scale({number})::pg_catalog.text END"
    ).format(
        number=number,
        least=sql.SQL(f"1e{MIN_EXPONENT}"),
        most=sql.SQL("9." + "9" * (MAX_DIGITS - 1) + f"e{MAX_EXPONENT}"),
        digits=Literal(MAX_DIGITS),
    )
