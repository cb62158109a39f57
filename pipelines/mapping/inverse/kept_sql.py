"""What a column becomes where the item tells less of it than PostgreSQL holds: the value that is there stays, if the
item's attribute would be the same with it (`table_rows.Keep`)."""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from pipelines.items.source_type import MONEY, NUMBERS, TEXTS, Kind, SourceType
from pipelines.mapping.inverse.table_rows import Keep

_NUMBER: LiteralString = "'^[+-]?([0-9]{1,40}([.][0-9]{0,140})?|[.][0-9]{1,140})([eE][+-]?[0-9]{1,3})?$'"
_UNLIKE_JSONB: LiteralString = "'[\\\\]u(0000|[dD][89a-fA-F])|[0-9][eE][+-]?[0-9]{4}'"
"""What jsonb could refuse: such a document is written anew."""

_NO_BOUNDS: LiteralString = "pg_catalog.regexp_replace({there_text}, '^([[][-+0-9]+:[-+0-9]+[]])+=', '')"

_CONDITIONS: dict[Keep, LiteralString] = {
    Keep.EQUAL: "{there} = {told}",
    Keep.SECONDS: "pg_catalog.date_trunc('second', {there}) = {told}",
    Keep.MILLISECONDS: "pg_catalog.date_trunc('milliseconds', {there}) = {told}",
    Keep.NUMBER: (
        "CASE WHEN {there_text} ~ {number} AND {told_text} ~ {number}"
        " THEN {there_text}::pg_catalog.numeric = {told_text}::pg_catalog.numeric END"
    ),
    Keep.DOCUMENT: (
        "CASE WHEN {there_text} !~ {unlike} AND {told_text} !~ {unlike}"
        " THEN {there_text}::pg_catalog.jsonb = {told_text}::pg_catalog.jsonb END"
    ),
    Keep.EMPTY: "{told} IS NULL AND {there} = ''",
}
_LIST: LiteralString = _NO_BOUNDS + " = {told_text}"
_NUMBERS: LiteralString = _NO_BOUNDS + "::pg_catalog.numeric[] = {told_text}::pg_catalog.numeric[]"
_DOCUMENTS: LiteralString = (
    "CASE WHEN {there_text} !~ {unlike} AND {told_text} !~ {unlike}"
    " THEN " + _NO_BOUNDS + "::pg_catalog.jsonb[] = {told_text}::pg_catalog.jsonb[] END"
)
_MEMBERS: LiteralString = (
    "CASE WHEN {told} IS NULL THEN pg_catalog.cardinality({there}) = 0"
    " ELSE pg_catalog.cardinality({there}) = pg_catalog.cardinality({told}) AND pg_catalog.array_ndims({there}) = 1"
    " AND {there}CAST OPERATOR(pg_catalog.@>) {told}CAST END"
)


def kept(keep: Keep, type: SourceType, there: sql.Composable, told: sql.Composable) -> sql.Composed:
    """The value to write, an expression without parameters. `there`: the column of the row that is there; `told`: what
    the item says, of the column's type or its base type."""
    condition = _of_array(keep, type.element) if type.element is not None else _CONDITIONS[keep]
    text = sql.SQL("{}::pg_catalog.text")
    same = sql.SQL(condition).format(
        there=there,
        told=told,
        there_text=text.format(there),
        told_text=text.format(told),
        number=sql.SQL(_NUMBER),
        unlike=sql.SQL(_UNLIKE_JSONB),
    )
    return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(same, there, told)


def _of_array(keep: Keep, element: SourceType) -> LiteralString:
    """Texts by their bytes, since not every type has an `=`; numbers, documents and bytes by value."""
    if keep is Keep.MEMBERS:
        by_text = element.kind in TEXTS or element.kind is Kind.OTHER
        return _MEMBERS.replace("CAST", "::pg_catalog.text[]" if by_text else "")
    if element.kind is Kind.JSON:
        return _DOCUMENTS
    return _NUMBERS if element.kind in NUMBERS and element.name != MONEY else _LIST
