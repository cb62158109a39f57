"""The SELECT list that gives each column its physical form (see `Kind`), in a snapshot and in an online read alike.

The session's search path is empty, so every operator and function here is PostgreSQL's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

import pyarrow as pa
from psycopg import sql

from pipelines.errors import SourceError
from pipelines.items.source_type import MONEY, RAW_SUFFIX, TEMPORAL, Kind, SourceType
from pipelines.mapping.catalog import Column, Table

_ARROW_TYPES = {
    Kind.INTEGER: pa.int64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.BYTES: pa.binary(),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
}

# A cast to text of these uses PostgreSQL's own output function, or changes nothing.
_CAST_TO_TEXT = frozenset({Kind.NUMERIC, Kind.FLOAT4, Kind.FLOAT8, Kind.TEXT, Kind.UUID, Kind.JSON})

# Not here: a cast to text can be user-defined, and inet's adds a netmask. concat() calls the output function, but
# makes '' of NULL. The test for NULL is not IS NOT NULL, which is false for a composite value with a NULL field.
_OUTPUT = "CASE WHEN {column} IS DISTINCT FROM NULL THEN pg_catalog.concat({column}) END"

# A "char" above 127 is printed as its bare byte before PostgreSQL 16, and as `\\200` from then on.
_SINGLE_BYTE = (
    "CASE WHEN {column}::pg_catalog.int4 < 0 THEN pg_catalog.concat('\\',"
    " (256 + {column}::pg_catalog.int4) / 64, ({column}::pg_catalog.int4 >> 3) & 7, {column}::pg_catalog.int4 & 7)"
    " ELSE {column}::pg_catalog.text END"
)

# The bytes as they are: the server checks no text of such a database, but would check one that it sends.
_BYTES = "pg_catalog.convert_to({text}, 'SQL_ASCII')"

_WITHIN = {
    Kind.DATE: "{column} BETWEEN pg_catalog.date '0001-01-01' AND pg_catalog.date '9999-12-31'",
    Kind.TIMESTAMP: "{column} >= '0001-01-01 00:00:00'::pg_catalog.timestamp"
    " AND {column} < '10000-01-01 00:00:00'::pg_catalog.timestamp",
    Kind.TIMESTAMPTZ: "{column} >= '0001-01-01 00:00:00+00'::pg_catalog.timestamptz"
    " AND {column} < '10000-01-01 00:00:00+00'::pg_catalog.timestamptz",
}


def select_list(table: Table, columns: Sequence[str]) -> sql.Composed:
    """`expression AS "name", …` for the columns in the order given; a temporal column gives two, value and raw.

    Read rows by position: `physical_names` in this order. (PostgreSQL cuts an alias of over 63 bytes.)
    Contains no `%`, apart from those of column names.
    """
    expressions = [
        sql.SQL("{} AS {}").format(expression, sql.Identifier(name))
        for column in _chosen(table, columns)
        for name, expression in _physical(column)
    ]
    return sql.SQL(", ").join(expressions)


def physical_names(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    """The names of the physical columns, `<name>::raw` after each temporal one."""
    return tuple(physical_schema(table, columns).names)


def physical_schema(table: Table, columns: Sequence[str]) -> pa.Schema:
    """The Arrow schema of `select_list`. Raises SourceError where a column bears the name of another one's raw form."""
    fields = [
        field
        for column in _chosen(table, columns)
        for field in (
            pa.field(column.name, _arrow_type(column.type)),
            *([pa.field(column.name + RAW_SUFFIX, pa.string())] if column.type.kind in TEMPORAL else []),
        )
    ]
    names = [field.name for field in fields]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"{table.ref}: column {name!r} has a name that Crossover keeps for itself; exclude it")
    return pa.schema(fields)


def _arrow_type(type: SourceType) -> pa.DataType:
    return _ARROW_TYPES.get(type.kind, pa.string() if type.utf8 else pa.binary())


def _chosen(table: Table, columns: Sequence[str]) -> list[Column]:
    by_name = {column.name: column for column in table.columns}
    return [by_name[name] for name in columns]


def _physical(column: Column) -> list[tuple[str, sql.Composable]]:
    kind = column.type.kind
    reference = sql.Identifier(column.name)
    if kind in TEMPORAL:
        within = sql.SQL(_WITHIN[kind]).format(column=reference)
        value = sql.SQL("CASE WHEN {} THEN {} END").format(within, reference)
        raw = sql.SQL("CASE WHEN NOT ({}) THEN {}::pg_catalog.text END").format(within, reference)
        return [(column.name, value), (column.name + RAW_SUFFIX, raw)]
    if kind is Kind.INTEGER:
        return [(column.name, sql.SQL("{}::pg_catalog.int8").format(reference))]
    if kind in (Kind.BOOLEAN, Kind.BYTES):
        return [(column.name, reference)]
    text = sql.SQL(_text(column.type)).format(column=reference)
    return [(column.name, text if column.type.utf8 else sql.SQL(_BYTES).format(text=text))]


def _text(type: SourceType) -> LiteralString:
    """The expression that prints a value; money, which is printed by the server's locale, as the number it is."""
    if type.name == MONEY:
        return "{column}::pg_catalog.numeric::pg_catalog.text"
    if type.element is not None and type.element.name == MONEY:
        return "{column}::pg_catalog.numeric[]::pg_catalog.text"
    if type.name == '"char"':
        return _SINGLE_BYTE
    if type.kind in _CAST_TO_TEXT:
        return "{column}::pg_catalog.text"
    # A cast to text would strip a char(n) of its blanks, which reach the driver where they are not cast.
    return "{column}" if type.kind is Kind.CHAR and type.utf8 else _OUTPUT
