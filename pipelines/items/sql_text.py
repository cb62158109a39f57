"""Expressions of Spark SQL as text, under the names that `pyspark.sql.functions` gives them.

A PySpark column costs three calls to Java for every function in it, and a wide item has tens of thousands; a text
costs one for a whole expression. Texts of operators are calls, `` `+`(a, b) ``: nested parentheses are slow to parse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, functions

if TYPE_CHECKING:
    from pipelines.items.arrow_spark import ArrowFunction


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
        return self._wrapped(f"CAST({self.text} AS {type})")

    def try_cast(self, type: str) -> Column:
        return self._wrapped(f"TRY_CAST({self.text} AS {type})")

    def isNull(self) -> Column:  # noqa: N802 (this and the names below are PySpark's)
        return call("isnull", self)

    def isNotNull(self) -> Column:  # noqa: N802
        return call("isnotnull", self)

    def isin(self, *values: str) -> Column:
        return self._wrapped(f"({self.text} IN ({', '.join(lit(value).text for value in values)}))")

    def contains(self, other: str) -> Column:
        return call("contains", self, lit(other))

    def startswith(self, other: str) -> Column:
        return call("startswith", self, lit(other))

    def endswith(self, other: str) -> Column:
        return call("endswith", self, lit(other))

    def __getitem__(self, field: str) -> Column:
        return self._wrapped(f"{self.text}.{_identifier(field)}")

    def __eq__(self, other: object) -> Column:  # type: ignore[override]
        return call("=", self, _operand(other))

    def __ne__(self, other: object) -> Column:  # type: ignore[override]
        return ~(self == other)

    def __lt__(self, other: object) -> Column:
        return call("<", self, _operand(other))

    def __le__(self, other: object) -> Column:
        return call("<=", self, _operand(other))

    def __gt__(self, other: object) -> Column:
        return call(">", self, _operand(other))

    def __add__(self, other: object) -> Column:
        return call("+", self, _operand(other))

    def __sub__(self, other: object) -> Column:
        return call("-", self, _operand(other))

    def __rsub__(self, other: object) -> Column:
        return call("-", _operand(other), self)

    def __mul__(self, other: object) -> Column:
        return call("*", self, _operand(other))

    def __neg__(self) -> Column:
        return call("negative", self)

    def __and__(self, other: Column) -> Column:
        return call("and", self, other)

    def __or__(self, other: Column) -> Column:
        return call("or", self, other)

    def __invert__(self) -> Column:
        return call("not", self)

    def _wrapped(self, text: str) -> Column:
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
        return _case((*self.branches, (condition, _operand(value))))

    def otherwise(self, value: object) -> Column:
        last = _operand(value)
        values = [*(found for _, found in self.branches), last]
        return replace(_case_text(self.branches, last), sure=all(column.sure for column in values))


def when(condition: Column, value: object) -> Case:
    return _case(((condition, _operand(value)),))


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
    return Column(_identifier(name))


def call(function: str, *arguments: Column) -> Column:
    """A function of Spark's, or an operator."""
    name = function if function.replace("_", "").isalnum() and function not in _RESERVED else _identifier(function)
    return Column(f"{name}({', '.join(a.text for a in arguments)})", functions=_functions(arguments))


def struct(*columns: Column) -> Column:
    """Of named columns."""
    pairs = [piece for column in columns for piece in (lit(column.name), column)]
    return call("named_struct", *pairs)


def coalesce(*columns: Column) -> Column:
    whole = columns[0] if len(columns) == 1 else call("coalesce", *columns)
    return replace(whole, sure=any(column.sure for column in columns))


def surely(column: Column) -> Column:
    """The same column, where it is never null; nobody looks at it in a row where it is."""
    if isinstance(column, Concat):
        return replace(column, sure=True, parts=tuple(surely(part) for part in column.parts))
    return replace(column, sure=True)


def concat(*columns: Column) -> Column:
    """One call, however deep the columns are concatenations themselves: each of theirs would be copied once more."""
    parts: list[Column] = []
    for part in (part for column in columns for part in (column.parts if isinstance(column, Concat) else (column,))):
        last = parts[-1] if parts else None
        if isinstance(part, Literal) and isinstance(last, Literal):
            parts[-1] = lit(last.value + part.value)
        else:
            parts.append(part)
    if len(parts) == 1 and isinstance(parts[0], Literal):
        return parts[0]
    whole = call("concat", *parts)
    sure = all(part.sure for part in parts)
    return Concat(whole.text, None, whole.functions, sure, parts=tuple(parts))


def concat_ws(separator: str, *columns: Column) -> Column:
    return call("concat_ws", lit(separator), *columns)


def rtrim(column: Column, trimmed: str = " ") -> Column:
    return column._wrapped(f"TRIM(TRAILING {lit(trimmed).text} FROM {column.text})")


def ltrim(column: Column, trimmed: str) -> Column:
    return column._wrapped(f"TRIM(LEADING {lit(trimmed).text} FROM {column.text})")


def replace_text(column: Column, old: str, new: str) -> Column:
    return call("replace", column, lit(old), lit(new))


def substring(column: Column, first: Column | int, count: Column | int) -> Column:
    return call("substring", column, _operand(first), _operand(count))


def octets(text: Column) -> Column:
    return call("octet_length", text)


def any_of(conditions: Sequence[Column]) -> Column:
    """Whether one of them holds; never null."""
    return _balanced("or", [coalesce(condition, lit(False)) for condition in conditions])


def total(numbers: Sequence[Column]) -> Column:
    return _balanced("+", numbers)


def ordered(column: Column, descending: bool) -> Column:
    """For ORDER BY: NULLs last in either direction."""
    return column._wrapped(f"{column.text} {'DESC' if descending else 'ASC'} NULLS LAST")


def place(partition: Iterable[str], order: Sequence[Column]) -> Column:
    """A row's number, from 1, among those that share the columns of these names."""
    within = ", ".join(_identifier(name) for name in partition)
    by = ", ".join(column.text for column in order)
    return Column(f"row_number() OVER (PARTITION BY {within} ORDER BY {by})", functions=_functions(order))


def count_in(partition: Iterable[str]) -> Column:
    """How many rows share the columns of these names with a row, itself counted."""
    return Column(f"count(1) OVER (PARTITION BY {', '.join(_identifier(name) for name in partition)})")


def transform(array: Column, each: Callable[[Column], Column]) -> Column:
    found = each(Column("x"))
    return Column(f"transform({array.text}, x -> {found.text})", functions=_functions((array, found)))


def condition(*every: Column) -> SparkColumn:
    """For a join: all of them."""
    return functions.expr(_balanced("and", every).text)


def grouped(rows: DataFrame, keys: Sequence[str], *aggregates: Column) -> DataFrame:
    texts = [functions.expr(text) for text in spelled(rows, aggregates)]
    return rows.groupBy(*keys).agg(*texts)


def select(rows: DataFrame, *columns: Column | str) -> DataFrame:
    """Texts are taken as they are: `*`."""
    return rows.selectExpr(*spelled(rows, columns))


def spelled(rows: DataFrame, columns: Iterable[Column | str]) -> list[str]:
    """What `rows` can select; the functions in it are known to its session from here on."""
    columns = list(columns)
    for function in _functions(column for column in columns if isinstance(column, Column)):
        function.register(rows.sparkSession)
    return [_selected(column) if isinstance(column, Column) else column for column in columns]


def _selected(column: Column) -> str:
    return column.text if column.name is None else f"{column.text} AS {_identifier(column.name)}"


_RESERVED = frozenset({"and", "or", "not", "in"})
# `${…}` in a text is filled in before it is parsed, even in a literal
_ESCAPES = {ord("\\"): "\\\\", ord("'"): "\\'", ord("$"): "\\u0024"}


def _operand(value: object) -> Column:
    return value if isinstance(value, Column) else lit(value)


def _identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _functions(columns: Iterable[Column]) -> frozenset[ArrowFunction]:
    return frozenset().union(*(column.functions for column in columns))


def _case(branches: tuple[tuple[Column, Column], ...]) -> Case:
    whole = _case_text(branches, None)
    return Case(whole.text, None, whole.functions, branches=branches)


def _case_text(branches: tuple[tuple[Column, Column], ...], otherwise: Column | None) -> Column:
    pieces = [f"WHEN {condition.text} THEN {value.text}" for condition, value in branches]
    last = [] if otherwise is None else [otherwise]
    pieces += [f"ELSE {value.text}" for value in last]
    parts = [column for branch in branches for column in branch]
    return Column(f"CASE {' '.join(pieces)} END", functions=_functions([*parts, *last]))


def _balanced(operator: str, operands: Sequence[Column]) -> Column:
    """Deep texts exhaust the parser's stack."""
    if len(operands) == 1:
        return operands[0]
    middle = len(operands) // 2
    return call(operator, _balanced(operator, operands[:middle]), _balanced(operator, operands[middle:]))
