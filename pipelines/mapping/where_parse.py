"""`where` as text → Predicate: sqlglot reads it, and all that is outside of the grammar is refused.

condition   column = <> != < <= > >= literal | column [NOT] IN (literal, ..) | column [NOT] BETWEEN literal AND
            literal | column IS [NOT] NULL | condition AND / OR condition | NOT condition | (condition)
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pipelines.items.source_type import TEMPORAL, TEXTS, Kind, SourceType
from pipelines.mapping.catalog import Column, Table
from pipelines.mapping.origin import listed, nearest
from pipelines.mapping.predicate import And, Compare, Comparison, IsNull, Not, Or, Predicate, WhereError
from pipelines.mapping.where_literal import LiteralError, boolean_literal, number_literal, text_literal

GRAMMAR = "allowed: column and literal with = <> < <= > >=, IN, BETWEEN, IS NULL, and AND, OR, NOT of these"
ORDERED = frozenset({Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT4, Kind.FLOAT8}) | TEXTS | TEMPORAL

_COMPARISONS: dict[type[exp.Expr], Comparison] = {
    exp.EQ: Comparison.EQ,
    exp.NEQ: Comparison.NE,
    exp.LT: Comparison.LT,
    exp.LTE: Comparison.LE,
    exp.GT: Comparison.GT,
    exp.GTE: Comparison.GE,
}
_FLIPPED = {
    Comparison.LT: Comparison.GT,
    Comparison.LE: Comparison.GE,
    Comparison.GT: Comparison.LT,
    Comparison.GE: Comparison.LE,
}


def parse_where(text: str, table: Table) -> Predicate:
    """Raises WhereError."""
    return _Parser(table).predicate(_condition(text))


def _condition(text: str) -> exp.Expr:
    try:
        statement = sqlglot.parse_one(f"SELECT 1 WHERE {text}", read="postgres")
    except (SqlglotError, RecursionError):
        raise WhereError(f"not a condition that can be read; {GRAMMAR}") from None
    parts = {name for name, part in statement.args.items() if part}
    if not isinstance(statement, exp.Select) or parts != {"expressions", "where"}:
        raise WhereError(f"more than a condition; {GRAMMAR}")
    condition = statement.args["where"].this
    assert isinstance(condition, exp.Expr)
    return condition


class _Parser:
    def __init__(self, table: Table) -> None:
        self._table = table

    def predicate(self, node: exp.Expr) -> Predicate:
        match node:
            case exp.Paren():
                return self.predicate(node.this)
            case exp.Not():
                return Not(self.predicate(node.this))
            case exp.And():
                return And(tuple(self.predicate(operand) for operand in node.flatten()))
            case exp.Or():
                return Or(tuple(self.predicate(operand) for operand in node.flatten()))
            case exp.Is():
                return self._is_null(node)
            case exp.In():
                return self._in(node)
            case exp.Between():
                return self._between(node)
        if type(node) in _COMPARISONS:
            return self._comparison(node, _COMPARISONS[type(node)])
        raise WhereError(f"`{_shown(node)}` is not allowed; {GRAMMAR}")

    def _is_null(self, node: exp.Is) -> Predicate:
        if not isinstance(node.expression, exp.Null):
            raise WhereError(f"`{_shown(node)}` is not allowed; write IS NULL, or compare with = true")
        column = self._column(node.this)
        test = IsNull(column.name, column.type)
        return Not(test) if node.args.get("negate") else test

    def _in(self, node: exp.In) -> Predicate:
        _only(node, "this", "expressions")
        column = self._column(node.this)
        if not node.expressions:
            raise WhereError(f"`{_shown(node)}` is an empty list, which PostgreSQL does not read; name a value")
        return Or(tuple(self._compare(column, Comparison.EQ, member) for member in node.expressions))

    def _between(self, node: exp.Between) -> Predicate:
        _only(node, "this", "low", "high")
        column = self._column(node.this)
        low = self._compare(column, Comparison.GE, node.args["low"])
        return And((low, self._compare(column, Comparison.LE, node.args["high"])))

    def _comparison(self, node: exp.Expr, comparison: Comparison) -> Predicate:
        _only(node, "this", "expression")
        left, right = node.args["this"], node.args["expression"]
        if isinstance(right, exp.Column) and not isinstance(left, exp.Column):
            return self._compare(self._column(right), _FLIPPED.get(comparison, comparison), left)
        return self._compare(self._column(left), comparison, right)

    def _column(self, node: exp.Expr) -> Column:
        if not isinstance(node, exp.Column) or node.parts != [node.this]:
            raise WhereError(f"`{_shown(node)}` is not a column's plain name; {GRAMMAR}")
        column = self._table.column(node.name)
        if column is None:
            names = [known.name for known in self._table.columns]
            hint = nearest(node.name, names) or f"; columns: {listed(names)}"
            raise WhereError(f"no column `{node.name}` in {self._table.ref}{hint}")
        return column

    def _compare(self, column: Column, comparison: Comparison, node: exp.Expr) -> Compare:
        _check_comparable(column, comparison)
        try:
            return Compare(column.name, column.type, comparison, _literal(column.type, node))
        except LiteralError as error:
            raise WhereError(f"`{column.name} {comparison} {_shown(node)}`: {error}") from None


def _check_comparable(column: Column, comparison: Comparison) -> None:
    kind = column.type.kind
    if kind is Kind.BOOLEAN:
        if comparison not in (Comparison.EQ, Comparison.NE):
            raise WhereError(f"`{column.name}` is boolean; it compares with = and <> only")
    elif kind not in ORDERED:
        raise WhereError(f"`{column.name}` is {column.type.name}; such a column allows IS [NOT] NULL only")


def _literal(type: SourceType, node: exp.Expr) -> str:
    match node:
        case exp.Neg() if isinstance(node.this, exp.Literal) and not node.this.is_string:
            return number_literal(type, f"-{node.this.this}")
        case exp.Literal() if node.is_string:
            return text_literal(type, node.this)
        case exp.Literal():
            return number_literal(type, node.this)
        case exp.Boolean():
            return boolean_literal(type, bool(node.this))
        case exp.Null():
            raise LiteralError("never true in SQL; write IS NULL or IS NOT NULL")
    raise LiteralError("not a plain literal; write a number, a quoted text, true or false")


def _only(node: exp.Expr, *allowed: str) -> None:
    """Refuses what sqlglot read beside the plain form, BETWEEN SYMMETRIC for one."""
    if any(value for name, value in node.args.items() if name not in allowed):
        raise WhereError(f"`{_shown(node)}` is not allowed; {GRAMMAR}")


def _shown(node: exp.Expr) -> str:
    text = node.sql(dialect="postgres")
    return text if len(text) <= 60 else f"{text[:57]}…"
