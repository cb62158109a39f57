"""What a table's triggers ask of its rows: a key, a link, whether two rows differ. Each an SQL function of the row.

Their bodies are stored as PostgreSQL has understood them (CREATE FUNCTION, `sql_body`): no setting of a writer's
session gives a name or an operator in them another meaning; a column that they use can be renamed, and not be dropped.
Called, they become part of the caller's expression, so they cost nothing of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg import sql
from psycopg.sql import Composable, Composed, Identifier

from pipelines.items.source_type import Kind
from pipelines.mapping.capture import Effect, Log, Mark, TableCapture
from pipelines.mapping.catalog import Column, Table, TableRef
from pipelines.source.ledger.key_text import Reference, left_row, link, source_key
from pipelines.source.ledger.names import SCHEMA, row_function_name

Row = Literal["OLD", "NEW", '"crossover:row"']
"""A trigger's, or that of a query: no column can have its name."""

_LAST = (Kind.JSON, Kind.ARRAY, Kind.BYTES, Kind.OTHER, Kind.TEXT)
"""Often large, and then stored apart: compared only where nothing before them differs."""

_PLAIN = frozenset({Kind.INTEGER, Kind.BOOLEAN, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.UUID})
"""Equal by `=` only where the bytes are."""

# The installing session has an empty search_path: `=` is pg_catalog's, and stays it in a body that is stored parsed.
_PLAIN_DIFFER = sql.SQL("({} IS DISTINCT FROM {})")
_IMAGES_DIFFER = sql.SQL("pg_catalog.record_image_ne(ROW({}), ROW({}))")


@dataclass(frozen=True)
class RowFunction:
    """`rows`: how many rows of `of` it is given."""

    name: str
    of: TableRef
    rows: int
    returns: sql.SQL
    expression: Composable

    def create(self) -> Composed:
        row = Identifier(self.of.schema_name, self.of.table)
        return sql.SQL("CREATE OR REPLACE FUNCTION {}({}) RETURNS {} LANGUAGE sql STABLE RETURN {}").format(
            Identifier(SCHEMA, self.name), sql.SQL(", ").join([row] * self.rows), self.returns, self.expression
        )

    def call(self, *rows: Row) -> Composed:
        return sql.SQL("{}({})").format(
            Identifier(SCHEMA, self.name), sql.SQL(", ").join([sql.SQL(row) for row in rows])
        )


@dataclass(frozen=True)
class EffectFunctions:
    """Of one effect. `differ`: the update counts for it; `moved`: the item that it touches, or the key that this has,
    may be another; `value`: the source key or the link; `left`: what an old key was made of, or None."""

    differ: RowFunction
    moved: RowFunction
    value: RowFunction
    left: RowFunction | None

    @property
    def all(self) -> tuple[RowFunction, ...]:
        return (self.differ, self.moved, self.value, *(() if self.left is None else (self.left,)))


@dataclass(frozen=True)
class RowFunctions:
    """Of one table, in the order of its effects."""

    effects: tuple[EffectFunctions, ...]

    def distinct(self) -> tuple[RowFunction, ...]:
        return tuple({function.name: function for effect in self.effects for function in effect.all}.values())


def row_functions(migration: str, capture: TableCapture, virtual: frozenset[str]) -> RowFunctions:
    """`virtual`: generated columns that are not stored, in which a trigger finds nothing."""
    maker = _Maker(migration, capture.table, virtual)
    asked = [effect.columns for effect in capture.effects]
    return RowFunctions(
        tuple(
            maker.of(effect, number, asked.index(effect.columns) + 1)
            for number, effect in enumerate(capture.effects, start=1)
        )
    )


@dataclass(frozen=True)
class _Maker:
    migration: str
    table: Table
    virtual: frozenset[str]

    def of(self, effect: Effect, number: int, same_columns: int) -> EffectFunctions:
        """`same_columns`: the number of the first effect that asks for the same columns."""
        touch = effect.touch
        return EffectFunctions(
            self._differ(f"differ{same_columns}", effect.columns),
            self._differ(f"moved{number}", _moving(touch)),
            self._value(touch, number),
            self._left(touch, number),
        )

    def _value(self, touch: Log | Mark, number: int) -> RowFunction:
        if isinstance(touch, Log):
            return self._function(f"key{number}", 1, sql.SQL("pg_catalog.text"), source_key(touch.key, _row(1)))
        return self._function(f"link{number}", 1, sql.SQL("pg_catalog.text[]"), link(touch.link, _row(1)))

    def _left(self, touch: Log | Mark, number: int) -> RowFunction | None:
        if not isinstance(touch, Log) or not touch.left:
            return None
        return self._function(f"left{number}", 1, sql.SQL("pg_catalog.jsonb"), left_row(touch.left, _row(1)))

    def _differ(self, what: str, columns: Sequence[str]) -> RowFunction:
        """One by one where `=` means the same bytes, which costs half as much; the others byte by byte: for `=` has
        1.0 = 1.00 and '1 month' = '30 days', which are two texts in an item, and json and xml have none. (It is the
        function of the operator `*<>`, which pg_dump does not print so that it can be loaded again.)"""
        compared = _compared(self.table, columns, self.virtual)
        plain = [column.name for column in compared if _is_plain(column)]
        others = [column.name for column in compared if not _is_plain(column)]
        parts = [_PLAIN_DIFFER.format(_row(1)(name), _row(2)(name)) for name in plain]
        if others or not plain:
            rows = [sql.SQL(", ").join([_row(n)(name) for name in others]) for n in (1, 2)]
            parts.append(_IMAGES_DIFFER.format(*rows))
        return self._function(what, 2, sql.SQL("pg_catalog.bool"), sql.SQL(" OR ").join(parts))

    def _function(self, what: str, rows: int, returns: sql.SQL, expression: Composable) -> RowFunction:
        name = row_function_name(self.migration, self.table.ref, what)
        return RowFunction(name, self.table.ref, rows, returns, expression)


def _moving(touch: Log | Mark) -> tuple[str, ...]:
    if isinstance(touch, Mark):
        return tuple(name for name, _ in touch.link)
    return touch.watched or tuple(part.column for part in touch.key)


def _row(number: int) -> Reference:
    argument = sql.SQL(f"(${number}).{{}}")
    return lambda column: argument.format(Identifier(column))


def _is_plain(column: Column) -> bool:
    return column.type.kind in _PLAIN


def _compared(table: Table, columns: Sequence[str], virtual: frozenset[str]) -> list[Column]:
    """A virtual column changes with the columns that it is made of, which may be any."""
    wanted = {column.name for column in table.columns} if virtual & set(columns) else set(columns)
    chosen = [column for column in table.columns if column.name in wanted - virtual]
    rank = {kind: place for place, kind in enumerate(reversed(_LAST), start=1)}
    return sorted(chosen, key=lambda column: rank.get(column.type.kind, 0))
