"""SQL that finds rows by the values of some columns, so that PostgreSQL can use its indexes.

Values are texts as `pipelines.mapping.source_row.match_text` and templates give them. What is found may be more
than what is equal by those texts (a domain's or a collation's equality is wider): the caller sorts that out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import LiteralString

from psycopg import sql

from pipelines.items.source_type import AS_BYTES, MONEY, Kind, SourceType
from pipelines.source.calendar import is_stored

_TYPED: dict[Kind, LiteralString] = {
    Kind.INTEGER: "pg_catalog.int8",
    Kind.NUMERIC: "pg_catalog.numeric",
    Kind.BOOLEAN: "pg_catalog.bool",
    Kind.BYTES: "pg_catalog.bytea",
    Kind.TEXT: "pg_catalog.text",
    Kind.CHAR: "pg_catalog.bpchar",
    Kind.UUID: "pg_catalog.uuid",
    Kind.DATE: "pg_catalog.date",
    Kind.TIMESTAMP: "pg_catalog.timestamp",
    Kind.TIMESTAMPTZ: "pg_catalog.timestamptz",
}
"""Without a column's own limits, so that no value is cut or refused; PostgreSQL's indexes take all of these.
Other kinds are compared by the text that they are printed as, without an index."""

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,131072}(\.\d{1,16383})?|NaN|-?Infinity", re.ASCII)
_BYTES = re.compile(r"\\x([0-9a-f]{2})*")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def where_values(
    alias: str, columns: Sequence[tuple[str, SourceType]], keys: Sequence[tuple[str, ...]]
) -> sql.Composable:
    """`(t.a, t.b) IN (…)` for the keys, each with a text for every column, of the column's own kind."""
    sides = [_side(alias, name, type) for name, type in columns]
    usable = [key for key in keys if _castable(columns, key)]
    arrays = [
        sql.SQL("{}::{}[]").format(_texts([key[n] for key in usable], type), sql.SQL(cast))
        for n, ((_, type), (_, cast)) in enumerate(zip(columns, sides, strict=True))
    ]
    if len(sides) == 1:
        return sql.SQL("{} = ANY ({})").format(sides[0][0], arrays[0])
    unnested = [sql.SQL("pg_catalog.unnest({})").format(array) for array in arrays]
    return sql.SQL("({}) IN (SELECT * FROM ROWS FROM ({}))").format(
        sql.SQL(", ").join([expression for expression, _ in sides]), sql.SQL(", ").join(unnested)
    )


def _side(alias: str, name: str, type: SourceType) -> tuple[sql.Composable, LiteralString]:
    """The column's side of the comparison, and the type that both sides have."""
    column = sql.Identifier(alias, name)
    if type.kind in (Kind.FLOAT4, Kind.FLOAT8):  # by the digits that it is printed with
        return sql.SQL("{}::pg_catalog.text::pg_catalog.numeric").format(column), "pg_catalog.numeric"
    if type.name == MONEY:
        return sql.SQL("{}::pg_catalog.numeric").format(column), "pg_catalog.numeric"
    if type.name == "oid":  # oid = int8 would make an oid of what is too large for one
        return sql.SQL("{}::pg_catalog.int8").format(column), "pg_catalog.int8"
    if type.kind in _TYPED:
        return column, _TYPED[type.kind]
    return sql.SQL("pg_catalog.concat({})").format(column), "pg_catalog.text"


def _castable(columns: Sequence[tuple[str, SourceType]], key: tuple[str, ...]) -> bool:
    """Whether PostgreSQL reads every text; one that it does not read is equal to nothing."""
    return all("\0" not in text and _is_of(type.kind, text) for (_, type), text in zip(columns, key, strict=True))


def _is_of(kind: Kind, text: str) -> bool:
    """A number or a text of the enclosing row may be no whole number, or no uuid; a source key may be anybody's."""
    match kind:
        case Kind.INTEGER:
            return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63
        case Kind.NUMERIC | Kind.FLOAT4 | Kind.FLOAT8:
            return _NUMBER.fullmatch(text) is not None
        case Kind.BOOLEAN:
            return text in ("true", "false")
        case Kind.BYTES:
            return _BYTES.fullmatch(text) is not None
        case Kind.DATE | Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            return is_stored(text, kind)
        case Kind.UUID:
            return _UUID.fullmatch(text) is not None
    return True


def _texts(texts: Sequence[str], type: SourceType) -> sql.Composable:
    """An array of texts, to be cast. Bytes that are no UTF-8 could not be sent as a text."""
    if type.utf8:
        return sql.Literal(_array_literal(texts))
    as_bytes = sql.Literal(_array_literal([rf"\x{text.encode(errors=AS_BYTES).hex()}" for text in texts]))
    return sql.SQL(
        "ARRAY(SELECT pg_catalog.convert_from(b, 'SQL_ASCII') FROM pg_catalog.unnest({}::pg_catalog.bytea[]) AS b)"
    ).format(as_bytes)


def _array_literal(texts: Sequence[str]) -> str:
    r"""`{"a","b\"c"}`: every element quoted, so that NULL, braces and white space are themselves."""
    escaped = (text.replace("\\", r"\\").replace('"', r"\"") for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"
