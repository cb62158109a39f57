"""Spark's functions on expressions that are texts, under the names that `pyspark.sql.functions` gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, functions

from pipelines.items.sql_column import (
    Case,
    Column,
    Concat,
    Literal,
    call,
    col,
    functions_of,
    identifier,
    lit,
    operand,
    when,
)

__all__ = [
    "Case",
    "Column",
    "Concat",
    "Literal",
    "any_of",
    "call",
    "coalesce",
    "col",
    "concat",
    "concat_ws",
    "condition",
    "count_in",
    "grouped",
    "lit",
    "ltrim",
    "octets",
    "ordered",
    "place",
    "replace_text",
    "rtrim",
    "select",
    "spelled",
    "struct",
    "substring",
    "surely",
    "total",
    "transform",
    "when",
]


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
    return column.with_text(f"TRIM(TRAILING {lit(trimmed).text} FROM {column.text})")


def ltrim(column: Column, trimmed: str) -> Column:
    return column.with_text(f"TRIM(LEADING {lit(trimmed).text} FROM {column.text})")


def replace_text(column: Column, old: str, new: str) -> Column:
    return call("replace", column, lit(old), lit(new))


def substring(column: Column, first: Column | int, count: Column | int) -> Column:
    return call("substring", column, operand(first), operand(count))


def octets(text: Column) -> Column:
    return call("octet_length", text)


def any_of(conditions: Sequence[Column]) -> Column:
    """Whether one of them holds; never null."""
    return _balanced("or", [coalesce(condition, lit(False)) for condition in conditions])


def total(numbers: Sequence[Column]) -> Column:
    return _balanced("+", numbers)


def ordered(column: Column, descending: bool) -> Column:
    """For ORDER BY: NULLs last in either direction."""
    return column.with_text(f"{column.text} {'DESC' if descending else 'ASC'} NULLS LAST")


def place(partition: Iterable[str], order: Sequence[Column]) -> Column:
    """A row's number, from 1, among those that share the columns of these names."""
    within = ", ".join(identifier(name) for name in partition)
    by = ", ".join(column.text for column in order)
    return Column(f"row_number() OVER (PARTITION BY {within} ORDER BY {by})", functions=functions_of(order))


def count_in(partition: Iterable[str]) -> Column:
    """How many rows share the columns of these names with a row, itself counted."""
    return Column(f"count(1) OVER (PARTITION BY {', '.join(identifier(name) for name in partition)})")


def transform(array: Column, each: Callable[[Column], Column]) -> Column:
    found = each(Column("x"))
    return Column(f"transform({array.text}, x -> {found.text})", functions=functions_of((array, found)))


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
    for function in functions_of(column for column in columns if isinstance(column, Column)):
        function.register(rows.sparkSession)
    return [_selected(column) if isinstance(column, Column) else column for column in columns]


def _selected(column: Column) -> str:
    return column.text if column.name is None else f"{column.text} AS {identifier(column.name)}"


def _balanced(operator: str, operands: Sequence[Column]) -> Column:
    """Deep texts exhaust the parser's stack."""
    if len(operands) == 1:
        return operands[0]
    middle = len(operands) // 2
    return call(operator, _balanced(operator, operands[:middle]), _balanced(operator, operands[middle:]))
