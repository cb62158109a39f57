"""How many rows of a root become items, and the source keys of a sample of them. No table is read without a bound.

Every query has a LIMIT, or reads a share of the pages, and a statement_timeout (`pipelines.assess.estimates.budget`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.assess.estimates.budget import Budget, is_timeout, limit_statements
from pipelines.items.source_type import AS_BYTES
from pipelines.mapping.catalog import Relation, Table
from pipelines.mapping.online import source_key_of
from pipelines.mapping.plan import ItemPlan
from pipelines.mapping.predicate import columns_of
from pipelines.mapping.source_row import SourceRow
from pipelines.mapping.where_sql import to_sql
from pipelines.source.select import physical_names, select_list

COUNTED_ROWS = 2_000_000
"""Of a table that are counted, one by one; what has more is estimated."""

SAMPLED_ROWS = 100_000

_SEED = 20_261_129
_ALIAS = "source_row"
_ENOUGH = 0.5  # of the rows that a sample of pages was expected to give
_TRIES = 3
_WIDER = 16.0
_ALL = sql.SQL("")
_PAGED = frozenset({Relation.TABLE, Relation.PARTITIONED, Relation.MATERIALIZED_VIEW})

SourceKey = Mapping[str, str]


@dataclass(frozen=True)
class Count:
    """`table_rows`: of the table; `rows`: of those that pass `where`."""

    table_rows: int
    rows: int
    exact: bool


@dataclass(frozen=True)
class Sampled:
    """`keys`: in an order of chance, so that any first part of them is a sample as well; `keyless`: rows that have no
    source key, for a column of it is NULL. `random`: as in TypeMeasured."""

    keys: Sequence[SourceKey]
    keyless: int
    random: bool


def count_rows(connection: Connection[TupleRow], item: ItemPlan, known: int | None, budget: Budget) -> Count:
    """`known`: rows of the table by the server's statistics. Raises psycopg.Error, but not for lack of time."""
    if known is None or known <= COUNTED_ROWS * 2:
        limit_statements(connection, budget)
        try:
            with connection.transaction():
                every, passing = _two(connection, _counting(item))
            if every <= COUNTED_ROWS:
                return Count(every, passing, exact=True)
        except psycopg.Error as error:
            if not is_timeout(error):
                raise
    return _estimated(connection, item, known, budget)


def sample_keys(
    connection: Connection[TupleRow], item: ItemPlan, count: Count, budget: Budget, rows: int = SAMPLED_ROWS
) -> Sampled:
    """Of all rows where there are no more than `rows`. Raises psycopg.Error."""
    limit_statements(connection, budget)
    if count.exact and count.rows <= rows:
        return _sampled(item, _keys(connection, item, _ALL, rows), random=True)
    if item.root.table.relation not in _PAGED:
        return _sampled(item, _keys(connection, item, _ALL, rows), random=False)
    wanted = min(rows, max(count.rows, 1))
    percent = 100.0 * wanted / max(count.rows, wanted)
    found = _keys(connection, item, _pages(percent), rows)
    for _ in range(_TRIES - 1):
        if len(found) >= wanted * _ENOUGH or percent >= 100.0:
            break
        # pages that are empty, rows that lie together, statistics of long ago
        percent = min(percent * min(wanted / max(len(found), 1), _WIDER), 100.0)
        limit_statements(connection, budget)
        found = _keys(connection, item, _pages(percent), rows)
    return _sampled(item, found, random=True)


def _sampled(item: ItemPlan, rows: list[SourceRow], *, random: bool) -> Sampled:
    texts = [source_key_of(item, row) for row in rows]
    keys = [json.loads(text) for text in texts if text is not None]
    Random(_SEED).shuffle(keys)  # noqa: S311 - no secret
    return Sampled(keys, len(texts) - len(keys), random)


def _keys(connection: Connection[TupleRow], item: ItemPlan, pages: sql.Composable, limit: int) -> list[SourceRow]:
    table = item.root.table
    names = physical_names(table, _in_order(table, item.source_key))
    where = _ALL if item.root.where is None else sql.SQL(" WHERE {}").format(to_sql(item.root.where, _ALIAS))
    query = sql.SQL("SELECT {} FROM {} AS {} {}{} LIMIT {}").format(
        select_list(table, _in_order(table, item.source_key)),
        _name(table),
        sql.Identifier(_ALIAS),
        pages,
        where,
        sql.Literal(limit),
    )
    as_bytes = {column.name for column in table.columns if not column.type.utf8}
    with connection.transaction():
        found = connection.execute(query).fetchall()
    return [
        SourceRow(
            {name: _decoded(value) if name in as_bytes else value for name, value in zip(names, row, strict=True)}
        )
        for row in found
    ]


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors=AS_BYTES)


def _in_order(table: Table, names: Sequence[str]) -> list[str]:
    return [column.name for column in table.columns if column.name in names]


def _pages(percent: float) -> sql.Composed:
    return sql.SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE ({})").format(sql.Literal(percent), sql.Literal(_SEED))


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier(table.ref.schema_name, table.ref.table)


def _counting(item: ItemPlan) -> sql.Composed:
    """The rows of the table and those that pass, of COUNTED_ROWS and one more at the most."""
    table, where = item.root.table, item.root.where
    columns = [] if where is None else [sql.Identifier(name) for name in sorted(columns_of(where))]
    passing = sql.SQL("") if where is None else sql.SQL(" FILTER (WHERE {})").format(to_sql(where, _ALIAS))
    return sql.SQL("SELECT count(*), count(*){} FROM (SELECT {} FROM {} LIMIT {}) AS {}").format(
        passing, sql.SQL(", ").join(columns), _name(table), sql.Literal(COUNTED_ROWS + 1), sql.Identifier(_ALIAS)
    )


def _estimated(connection: Connection[TupleRow], item: ItemPlan, known: int | None, budget: Budget) -> Count:
    """By the planner where nothing else is known; the share that passes, by a sample of pages or by the planner."""
    every = _planned(connection, item, filtered=False) if known is None else known
    if item.root.where is None:
        return Count(every, every, exact=False)
    if item.root.table.relation in _PAGED and every:
        limit_statements(connection, budget)
        try:
            with connection.transaction():
                seen, passing = _two(connection, _share(item, min(100.0 * SAMPLED_ROWS / every, 100.0)))
            if seen:
                return Count(every, round(every * passing / seen), exact=False)
        except psycopg.Error as error:
            if not is_timeout(error):
                raise
    return Count(every, min(_planned(connection, item, filtered=True), every), exact=False)


def _share(item: ItemPlan, percent: float) -> sql.Composed:
    assert item.root.where is not None
    return sql.SQL("SELECT count(*), count(*) FILTER (WHERE {}) FROM {} AS {} {}").format(
        to_sql(item.root.where, _ALIAS),
        _name(item.root.table),
        sql.Identifier(_ALIAS),
        _pages(percent),
    )


def _planned(connection: Connection[TupleRow], item: ItemPlan, *, filtered: bool) -> int:
    """The planner's estimate; nothing is read."""
    where = item.root.where if filtered else None
    query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT 1 FROM {} AS {}{}").format(
        _name(item.root.table),
        sql.Identifier(_ALIAS),
        sql.SQL("") if where is None else sql.SQL(" WHERE {}").format(to_sql(where, _ALIAS)),
    )
    with connection.transaction():
        row = connection.execute(query).fetchone()
    return int(row[0][0]["Plan"]["Plan Rows"]) if row is not None else 0


def _two(connection: Connection[TupleRow], query: sql.Composed) -> tuple[int, int]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
