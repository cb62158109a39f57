"""An expression of Spark SQL as text, with PySpark's methods.

A PySpark column costs three calls to Java for every function in it, and a wide item has tens of thousands; a text
costs one for a whole expression. Texts of operators are calls, `` `+`(a, b) ``: nested parentheses are slow to parse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.items.arrow_spark import ArrowFunction

_RESERVED = frozenset({"and", "or", "not", "in"})
# `${…}` in a text is filled in before it is parsed, even in a literal
_ESCAPES = {ord("\\"): "\\\\", ord("'"): "\\'", ord("$"): "\\u0024"}


@dataclass(frozen=True, eq=False)
class Column:
    """One expression. `name` is what it is called where it is selected; `functions` must be known to the session;
    `sure`: it is known never to be null."""

    text: str
    name: str | None = None
    functions: frozenset[ArrowFunction] = frozenset()
    sure: bool = False

    def alias(self, name: str) -> Column:
        return replace(self, name=name)

    def cast(self, type: str) -> Column:
        return self.with_text(f"CAST({self.text} AS {type})")

    def try_cast(self, type: str) -> Column:
        return self.with_text(f"TRY_CAST({self.text} AS {type})")

    def isNull(self) -> Column:  # noqa: N802 (this and the names below are PySpark's)
        return call("isnull", self)

    def isNotNull(self) -> Column:  # noqa: N802
        return call("isnotnull", self)

    def isin(self, *values: str) -> Column:
        return self.with_text(f"({self.text} IN ({', '.join(lit(value).text for value in values)}))")

    def contains(self, other: str) -> Column:
        return call("contains", self, lit(other))

    def startswith(self, other: str) -> Column:
        return call("startswith", self, lit(other))

    def endswith(self, other: str) -> Column:
        return call("endswith", self, lit(other))

    def __getitem__(self, field: str) -> Column:
        return self.with_text(f"{self.text}.{identifier(field)}")

    def __eq__(self, other: object) -> Column:  # type: ignore[override]
        return call("=", self, operand(other))

    def __ne__(self, other: object) -> Column:  # type: ignore[override]
        return ~(self == other)

    def __lt__(self, other: object) -> Column:
        return call("<", self, operand(other))

    def __le__(self, other: object) -> Column:
        return call("<=", self, operand(other))

    def __gt__(self, other: object) -> Column:
        return call(">", self, operand(other))

    def __add__(self, other: object) -> Column:
        return call("+", self, operand(other))

    def __sub__(self, other: object) -> Column:
        return call("-", self, operand(other))

    def __rsub__(self, other: object) -> Column:
        return call("-", operand(other), self)

    def __mul__(self, other: object) -> Column:
        return call("*", self, operand(other))

    def __neg__(self) -> Column:
        return call("negative", self)

    def __and__(self, other: Column) -> Column:
        return call("and", self, other)

    def __or__(self, other: Column) -> Column:
        return call("or", self, other)

    def __invert__(self) -> Column:
        return call("not", self)

    def with_text(self, text: str) -> Column:
        """Another text in which this one stands."""
        return Column(text, functions=self.functions)


@dataclass(frozen=True, eq=False)
class Literal(Column):
    """A text that is the same in every row."""

    value: str = ""


@dataclass(frozen=True, eq=False)
class Concat(Column):
    """Texts one behind the other, none of them a Concat, no two Literals side by side. Null where one is."""

    parts: tuple[Column, ...] = ()


@dataclass(frozen=True, eq=False)
class Case(Column):
    """`CASE … END`; null where no branch applies."""

    branches: tuple[tuple[Column, Column], ...] = ()

    def when(self, condition: Column, value: object) -> Case:
        return _case((*self.branches, (condition, operand(value))))

    def otherwise(self, value: object) -> Column:
        last = operand(value)
        values = [*(found for _, found in self.branches), last]
        return replace(_case_text(self.branches, last), sure=all(column.sure for column in values))


def when(condition: Column, value: object) -> Case:
    return _case(((condition, operand(value)),))


def lit(value: object) -> Column:
    """Of a text, an integer, a float, a boolean or None."""
    match value:
        case None:
            return Column("NULL")
        case bool():
            return Column("true" if value else "false")
        case str():
            return Literal(f"'{value.translate(_ESCAPES)}'", sure=True, value=value)
        case float():
            return Column(f"{value!r}D")
        case int():
            return Column(str(value))
    raise TypeError(f"no literal: {type(value).__name__}")


def col(name: str) -> Column:
    """The column of exactly this name; dots in it mean nothing."""
    return Column(identifier(name))


def call(function: str, *arguments: Column) -> Column:
    """A function of Spark's, or an operator."""
    name = function if function.replace("_", "").isalnum() and function not in _RESERVED else identifier(function)
    return Column(f"{name}({', '.join(a.text for a in arguments)})", functions=functions_of(arguments))


def operand(value: object) -> Column:
    return value if isinstance(value, Column) else lit(value)


def identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def functions_of(columns: Iterable[Column]) -> frozenset[ArrowFunction]:
    return frozenset().union(*(column.functions for column in columns))


def _case(branches: tuple[tuple[Column, Column], ...]) -> Case:
    whole = _case_text(branches, None)
    return Case(whole.text, None, whole.functions, branches=branches)


def _case_text(branches: tuple[tuple[Column, Column], ...], otherwise: Column | None) -> Column:
    pieces = [f"WHEN {condition.text} THEN {value.text}" for condition, value in branches]
    last = [] if otherwise is None else [otherwise]
    pieces += [f"ELSE {value.text}" for value in last]
    parts = [column for branch in branches for column in branch]
    return Column(f"CASE {' '.join(pieces)} END", functions=functions_of([*parts, *last]))
