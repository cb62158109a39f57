"""The statements that write an item's rows: delete, update, insert; many rows at once, given as one JSON document.

UPDATE and INSERT, not INSERT … ON CONFLICT: that would fire insert triggers and check defaults of rows that are there,
and a deferrable primary key cannot be named by it (PostgreSQL, INSERT). Nobody else writes meanwhile: the fence is up.

Parameters are `$1`, `$2`, …: each a JSON document, a list of objects with the members `c0`, `c1`, … (text or null).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.sql import Composable, Composed, Identifier

from pipelines.items.source_type import MONEY, SourceType
from pipelines.mapping.catalog import Table, TableRef
from pipelines.mapping.inverse import Keep, Owned
from pipelines.mapping.inverse.kept_sql import kept
from pipelines.mapping.predicate import Predicate
from pipelines.mapping.where_sql import to_sql
from pipelines.reverse.apply.written_tables import WrittenColumn
from pipelines.source.ledger.reach import equal

_COMMA, _AND = sql.SQL(", "), sql.SQL(" AND ")


@dataclass(frozen=True)
class Shape:
    """What the rows of several items have in common. `key`: the columns by which a row is found again. `known`: of
    every table, its columns as the database has them."""

    table: Table
    columns: tuple[str, ...]
    owner: tuple[str, ...]
    key: tuple[str, ...]
    where: Predicate | None
    owned: tuple[Owned, ...]
    keep: tuple[tuple[str, Keep], ...]
    known: Mapping[TableRef, Mapping[str, WrittenColumn]]

    @property
    def ref(self) -> TableRef:
        return self.table.ref

    @property
    def own(self) -> Mapping[str, WrittenColumn]:
        return self.known[self.ref]

    @property
    def changed(self) -> tuple[str, ...]:
        """The columns that an update may set."""
        return tuple(name for name in self.written if name not in self.key and not self.own[name].keeps)

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that an insert gives."""
        return tuple(name for name in self.columns if not self.own[name].writes_itself)


@dataclass(frozen=True)
class Deletion:
    """`given`: tables whose given keys are the parameters from `$2` on; `$1` holds the owners. What is given for
    another owner has moved there, and is not deleted."""

    statement: Composed
    given: tuple[TableRef, ...]


def update(shape: Shape) -> Composed | None:
    """`$1`: rows. Only of rows that differ. None where there is nothing beside the key."""
    if not shape.changed:
        return None
    assigned = {name: _assigned(shape, name) for name in shape.changed}
    return sql.SQL("{given} UPDATE {table} AS t SET {sets} FROM given AS g WHERE {same} AND {differs}").format(
        given=_given(shape),
        table=_name(shape.ref),
        sets=_COMMA.join([sql.SQL("{} = {}").format(Identifier(name), value) for name, value in assigned.items()]),
        same=_same(shape.key, "t", "g"),
        differs=_differs(shape),
    )


def insert(shape: Shape) -> Composed:
    """`$1`: rows. Of those that are not there."""
    return sql.SQL(
        "{given} INSERT INTO {table} AS t ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM given AS g"
        " WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE {same})"
    ).format(
        given=_given(shape),
        table=_name(shape.ref),
        columns=_COMMA.join(map(Identifier, shape.written)),
        values=_COMMA.join([Identifier("g", name) for name in shape.written]),
        same=_same(shape.key, "t", "g"),
    )


def replace(shape: Shape) -> Composed | None:
    """As `update`, but by taking all rows that differ away and putting them back: two rows may change places under a
    unique constraint. What the item does not hold comes back as it was."""
    if not shape.changed:
        return None
    kept = [column.name for column in shape.own.values() if not column.writes_itself]
    changed = {name: _assigned(shape, name) for name in shape.changed}
    values = [changed.get(name, Identifier("t", name)) for name in kept]
    return sql.SQL(
        "{given}, t AS (DELETE FROM {table} AS t USING given AS g WHERE {same} AND {differs} RETURNING t.*)"
        " INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM t JOIN given AS g ON {same}"
        " ORDER BY {order}"  # so that all are gone before the first is back
    ).format(
        given=_given(shape),
        table=_name(shape.ref),
        same=_same(shape.key, "t", "g"),
        differs=_differs(shape),
        columns=_COMMA.join(map(Identifier, kept)),
        values=_COMMA.join(values),
        order=_COMMA.join([sql.SQL("{}::pg_catalog.text").format(Identifier("t", name)) for name in shape.key]),
    )


def deletions(shape: Shape, keys: Mapping[TableRef, tuple[str, ...]]) -> list[Deletion]:
    """Of the owners' rows that are not given, and before them of what is theirs. `keys`: by which columns the rows of a
    table are given; of the others none are."""
    owners = sql.SQL("(SELECT DISTINCT {} FROM {}) AS o").format(
        _COMMA.join([_value(shape.own[name], n) for n, name in enumerate(shape.owner)]), _document(1, shape.owner)
    )
    conditions: list[Composable] = [_same(shape.owner, "t0", "o")]
    return _deletions(shape, keys, owners, conditions, shape.table, shape.where, shape.owned, (), 0)


def _deletions(
    shape: Shape,
    keys: Mapping[TableRef, tuple[str, ...]],
    source: Composable,
    conditions: Sequence[Composable],
    table: Table,
    where: Predicate | None,
    owned: Sequence[Owned],
    given: tuple[TableRef, ...],
    level: int,
) -> list[Deletion]:
    alias, ref = f"t{level}", table.ref
    own = [*conditions] if where is None else [*conditions, sql.SQL("({})").format(to_sql(where, alias))]
    if ref in keys:
        given = (*given, ref)
        key = keys[ref]
        listed = sql.SQL("SELECT {} FROM {}").format(
            _COMMA.join([_value(shape.known[ref][name], n) for n, name in enumerate(key)]),
            _document(1 + len(given), key),
        )
        own.append(
            sql.SQL("NOT EXISTS (SELECT FROM ({}) AS given WHERE {})").format(listed, _same(key, alias, "given"))
        )
    found: list[Deletion] = []
    below = sql.SQL("{}, {} AS {}").format(source, _name(ref), Identifier(alias))
    for one in owned:
        joined = [
            equal(
                Identifier(f"t{level + 1}", mine),
                _type(one.table, mine),
                Identifier(alias, theirs),
                _type(table, theirs),
            )
            for mine, theirs in one.on
        ]
        found += _deletions(shape, keys, below, [*own, *joined], one.table, one.where, one.owned, given, level + 1)
    statement = sql.SQL("DELETE FROM {} AS {} USING {} WHERE {}").format(
        _name(ref), Identifier(alias), source, _AND.join(own)
    )
    return [*found, Deletion(statement, given)]


def _type(table: Table, name: str) -> SourceType:
    column = table.column(name)
    assert column is not None, f"{table.ref} has no column {name}"
    return column.type


def _given(shape: Shape) -> Composed:
    """`WITH given AS (…)`: the rows, their columns with their names and types."""
    values = [_value(shape.own[name], n) for n, name in enumerate(shape.columns)]
    return sql.SQL("WITH given AS (SELECT {} FROM {})").format(_COMMA.join(values), _document(1, shape.columns))


def _document(parameter: int, columns: Sequence[str]) -> Composed:
    members = [sql.SQL("{} pg_catalog.text").format(Identifier(f"c{n}")) for n, _ in enumerate(columns)]
    return sql.SQL("pg_catalog.json_to_recordset({}::pg_catalog.json) AS d({})").format(
        sql.SQL(f"${parameter}"), _COMMA.join(members)
    )


def _value(column: WrittenColumn, number: int) -> Composed:
    """Without the column's own length or precision: an assignment refuses what a cast would cut off."""
    text = Identifier("d", f"c{number}")
    through = sql.SQL("::pg_catalog.numeric") if column.bare == MONEY else sql.SQL("")
    return sql.SQL("{}{}::{} AS {}").format(text, through, sql.SQL(column.bare), Identifier(column.name))


def _assigned(shape: Shape, name: str) -> Composable:
    """What an update makes of the column: what the item says, or what is there, where that is only finer."""
    there, told = Identifier("t", name), Identifier("g", name)
    keep, column = dict(shape.keep).get(name), shape.table.column(name)
    return told if keep is None or column is None else kept(keep, column.type, there, told)


def _differs(shape: Shape) -> Composed:
    """By the bytes of the values: not every type has an `=`, and 1.50 is another numeric than 1.5."""
    here = _COMMA.join([Identifier("t", name) for name in shape.changed])
    there = _COMMA.join(
        [sql.SQL("({})::{}").format(_assigned(shape, name), sql.SQL(shape.own[name].type)) for name in shape.changed]
    )
    return sql.SQL("ROW({})::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW({})::pg_catalog.record").format(here, there)


def _same(columns: Sequence[str], one: str, other: str) -> Composed:
    return _AND.join([sql.SQL("{} = {}").format(Identifier(one, name), Identifier(other, name)) for name in columns])


def _name(ref: TableRef) -> Identifier:
    return Identifier(ref.schema_name, ref.table)
