"""The `where` filter: a small language with one meaning in Spark and in PostgreSQL.

Comparisons of a column and a literal, IN, BETWEEN, IS NULL, AND / OR / NOT, with SQL's three-valued logic.

where_parse   text → Predicate, refusing all that the two could see differently
where_sql     the PostgreSQL form
where_spark   the Spark form
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipelines.items.source_type import SourceType


class Comparison(StrEnum):
    EQ = "="
    NE = "<>"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


class WhereError(ValueError):
    """What is wrong with a condition, and what is allowed."""


@dataclass(frozen=True)
class Compare:
    """A column against a literal; never true where the column is NULL.

    `literal` is canonical text of the column's own kind: a plain number (or NaN, Infinity, -Infinity), a text,
    `true` or `false`, a date or timestamp in the fixed form of `pipelines.items.temporal` (or infinity, -infinity).
    """

    column: str
    type: SourceType
    comparison: Comparison
    literal: str


@dataclass(frozen=True)
class IsNull:
    column: str
    type: SourceType  # a temporal column is two physical ones; both must be null


@dataclass(frozen=True)
class Not:
    operand: Predicate


@dataclass(frozen=True)
class And:
    operands: tuple[Predicate, ...]


@dataclass(frozen=True)
class Or:
    operands: tuple[Predicate, ...]


Predicate = Compare | IsNull | Not | And | Or


def columns_of(predicate: Predicate) -> frozenset[str]:
    """The columns that a predicate reads."""
    match predicate:
        case Compare() | IsNull():
            return frozenset({predicate.column})
        case Not():
            return columns_of(predicate.operand)
        case And() | Or():
            return frozenset().union(*(columns_of(operand) for operand in predicate.operands))
