"""`where` in PostgreSQL: for online reads and trigger conditions."""

from __future__ import annotations

from psycopg import sql

from pipelines.items.source_type import MONEY, TEXTS, Kind, SourceType
from pipelines.mapping.predicate import And, Compare, IsNull, Not, Or, Predicate

_CASTS = {
    Kind.INTEGER: "bigint",
    Kind.NUMERIC: "numeric",
    Kind.FLOAT4: "real",
    Kind.FLOAT8: "double precision",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp",
    Kind.TIMESTAMPTZ: "timestamptz",
}


def to_sql(predicate: Predicate, alias: str) -> sql.Composable:
    """The condition over the columns of the table named `alias`, in brackets where that matters."""
    match predicate:
        case Compare():
            return sql.SQL("{} {} {}").format(
                _column(alias, predicate.column, predicate.type),
                sql.SQL(predicate.comparison.value),
                _literal(predicate.type, predicate.literal),
            )
        case IsNull():
            # IS NULL would be true for a composite value of NULLs
            return sql.SQL("{} IS NOT DISTINCT FROM NULL").format(sql.Identifier(alias, predicate.column))
        case Not():
            return sql.SQL("NOT ({})").format(to_sql(predicate.operand, alias))
        case And():
            return _joined(predicate.operands, " AND ", alias)
        case Or():
            return _joined(predicate.operands, " OR ", alias)


def _joined(operands: tuple[Predicate, ...], word: str, alias: str) -> sql.Composable:
    inner = sql.SQL(word).join([to_sql(operand, alias) for operand in operands])
    return sql.SQL("({})").format(inner)


def _column(alias: str, column: str, type: SourceType) -> sql.Composable:
    name = sql.Identifier(alias, column)
    if type.kind in TEXTS:
        # by bytes, whatever the column's collation is; the cast drops a char(n)'s padding
        return sql.SQL('{}::text COLLATE "C"').format(name)
    if type.kind is Kind.INTEGER and type.name == "oid":
        return sql.SQL("{}::bigint").format(name)  # oid is preferred to bigint, and a literal may not fit
    if type.name == MONEY:
        return sql.SQL("{}::numeric").format(name)
    return name


def _literal(type: SourceType, literal: str) -> sql.Composable:
    cast = "text" if type.kind in TEXTS else _CASTS[type.kind]
    return sql.SQL("{}::{}").format(_text(literal), sql.SQL(cast))


def _text(literal: str) -> sql.Composable:
    """A quoted text; a `%` is written as chr(37), which psycopg cannot take for a parameter's place."""
    pieces = [sql.Literal(piece) for piece in literal.split("%")]
    return sql.SQL("({})").format(sql.SQL(" || chr(37) || ").join(pieces)) if len(pieces) > 1 else pieces[0]
