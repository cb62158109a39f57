"""Rows of one table inside the Spark plan, under names of our own.

Source columns may be called anything (`a.b`, `` ` ``, `A` beside `a`); in the plan they are `c1`, `c2`, …, each
name once in the whole plan, so that no join is ambiguous.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as spark_functions

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.number_spark import plain_number
from pipelines.items.problem_spark import Problem, first_problem, problem_when
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import NUMBERS, RAW_SUFFIX, TEMPORAL, Kind, SourceType
from pipelines.items.sql_text import Column
from pipelines.mapping.catalog import Table
from pipelines.mapping.plan import ColumnValue, Placeholder, RowPlan
from pipelines.mapping.templates_spark import Physical
from pipelines.mapping.where_spark import to_column

SourceTables = Callable[[Table, tuple[str, ...]], DataFrame]
"""A snapshot's table with these columns, in the table's order, `<name>::raw` behind each temporal one."""


class FreshNames:
    """Column names that no frame has yet."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def next(self) -> str:
        return f"c{next(self._numbers)}"


@dataclass(frozen=True)
class ColumnName:
    """What a source column is called in the plan. `ambiguous`: boolean columns, true where an `as: map` embed on
    the path to it matched more than one row."""

    value: str
    raw: str | None
    ambiguous: tuple[str, ...] = ()
    plain: str | None = None

    @property
    def physical(self) -> Physical:
        raw = None if self.raw is None else F.col(self.raw)
        problem = first_problem([two_parents(F.col(name)) for name in self.ambiguous])
        return Physical(F.col(self.value), raw, problem, None if self.plain is None else F.col(self.plain))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.value, self.raw, self.plain, *self.ambiguous) if name is not None)


@dataclass(frozen=True)
class EmbedNames:
    """The columns that hold an embed's value; `problem` is None where none can happen."""

    fragment: str
    size: str
    problem: str | None


@dataclass(frozen=True)
class Frame:
    """One row per row of `row.table` that passes `row.where`.

    `columns` are reached by (path through `as: map` embeds, column); `embeds` by the embed's name.
    """

    row: RowPlan
    rows: DataFrame
    columns: Mapping[tuple[tuple[str, ...], str], ColumnName]
    embeds: Mapping[str, EmbedNames] = field(default_factory=dict)

    def physical(self, column: str, path: tuple[str, ...] = ()) -> Physical:
        return self.columns[path, column].physical

    def placeholder(self, placeholder: Placeholder) -> Physical:
        return self.physical(placeholder.column, placeholder.path)

    def type_of(self, column: str) -> SourceType:
        return self.row.type_of(column)

    def with_rows(self, rows: DataFrame) -> Frame:
        return replace(self, rows=rows)


def with_plain_numbers(frame: Frame, names: FreshNames) -> Frame:
    """The plain normal form of the row's own numerics and floats as columns: expressions that use it use it often,
    and Spark would work it out anew each time."""
    texts = NUMBERS - {Kind.INTEGER}
    wanted = {
        attribute.value.column
        for attribute in frame.row.attributes
        if isinstance(attribute.value, ColumnValue) and not attribute.value.path
        if attribute.value.type.kind in texts
    }
    added: dict[tuple[tuple[str, ...], str], ColumnName] = {
        ((), column): replace(frame.columns[(), column], plain=names.next()) for column in sorted(wanted)
    }
    columns = [
        plain_number(frame.type_of(column), F.col(known.value)).alias(known.plain or "")
        for (_, column), known in added.items()
    ]
    rows = F.select(frame.rows, "*", *columns) if columns else frame.rows
    return replace(frame, rows=rows, columns={**frame.columns, **added})


def two_parents(ambiguous: Column) -> Problem:
    detail = F.lit("`as: map` matched more than one row")
    return problem_when(ambiguous, RejectReason.MAP_WITH_TWO_PARENTS, detail)


def read_frame(row: RowPlan, tables: SourceTables, names: FreshNames) -> Frame:
    frame = all_rows(row, tables, names)
    return frame if row.where is None else frame.with_rows(frame.rows.where(passes(frame)))


def all_rows(row: RowPlan, tables: SourceTables, names: FreshNames) -> Frame:
    """Those that fail `where` included."""
    columns: dict[tuple[tuple[str, ...], str], ColumnName] = {}
    for column in row.table.columns:
        if column.name not in row.columns:
            continue
        name = ColumnName(names.next(), names.next() if column.type.kind in TEMPORAL else None)
        columns[(), column.name] = name
    renamed = [name for known in columns.values() for name in known.names]
    return Frame(row, tables(row.table, row.columns).toDF(*renamed), columns)


def passes(frame: Frame) -> SparkColumn:
    """Whether a row passes its `where`: true, false or null, as in SQL."""
    if frame.row.where is None:
        return spark_functions.lit(True)
    col = spark_functions.col
    columns = {name: col(known.value) for (_, name), known in frame.columns.items()}
    raws = {name + RAW_SUFFIX: col(known.raw) for (_, name), known in frame.columns.items() if known.raw}
    return to_column(frame.row.where, lambda name: (raws | columns)[name])
