"""How many rows share one value of the columns that embeds are joined by: children of a parent, within a bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.assess.estimates.budget import Budget, is_timeout, limit_statements
from pipelines.assess.estimates.measured import Group, Groups
from pipelines.assess.schema import Facts
from pipelines.mapping.catalog import Table, TableRef
from pipelines.mapping.plan import EmbedPlan, MigrationPlan, RowPlan

GROUPED_ROWS = 1_000_000
"""Of a table that are grouped; of what has more, and where the time is up, the server's statistics are taken."""


def embeds_of(row: RowPlan) -> Iterator[tuple[RowPlan, EmbedPlan]]:
    """Every embed below a row, with the row that encloses it; outer ones first."""
    for embed in row.embeds:
        yield row, embed
        yield from embeds_of(embed.row)


def groups_of(plan: MigrationPlan) -> dict[Group, Table]:
    """Both sides of every join, each once."""
    found: dict[Group, Table] = {}
    for item in plan.items:
        for outer, embed in embeds_of(item.root):
            found[inner_group(embed)] = embed.row.table
            found[outer_group(outer, embed)] = outer.table
    return found


def inner_group(embed: EmbedPlan) -> Group:
    return _group(embed.row.table, [own for own, _ in embed.on])


def outer_group(outer: RowPlan, embed: EmbedPlan) -> Group:
    return _group(outer.table, [other for _, other in embed.on])


def _group(table: Table, columns: list[str]) -> Group:
    return Group(table.ref, tuple(sorted(set(columns))))


def count_groups(
    connection: Connection[TupleRow],
    groups: Mapping[Group, Table],
    facts: Mapping[TableRef, Facts],
    budget: Budget,
) -> dict[Group, Groups]:
    """Those that are known, one way or the other. Raises psycopg.Error, but not for lack of time or rights."""
    found: dict[Group, Groups] = {}
    waiting = sorted(groups.items(), key=lambda one: _rows(facts.get(one[0].table)))
    for n, (group, table) in enumerate(waiting):
        known = facts.get(group.table)
        counted = _unique(group, table, known)
        if counted is None and budget.left > 0 and _rows(known) <= GROUPED_ROWS * 2:
            counted = _counted(connection, group, budget.share(len(waiting) - n))
        if counted is None and known is not None:
            counted = _by_statistics(group, known)
        if counted is not None:
            found[group] = counted
    return found


def _rows(facts: Facts | None) -> float:
    return float(facts.rows) if facts is not None and facts.rows is not None else 0.0


def _unique(group: Group, table: Table, facts: Facts | None) -> Groups | None:
    """A primary key tells rows apart: nothing need be read."""
    if facts is None or not facts.rows or table.inherited or set(table.primary_key) != set(group.columns):
        return None
    return Groups(facts.rows, facts.rows, 1.0, 1.0, 1.0, exact=True)


def _counted(connection: Connection[TupleRow], group: Group, budget: Budget) -> Groups | None:
    """None where the table has more than GROUPED_ROWS, where its values cannot be grouped (json), and where the time
    is up."""
    limit_statements(connection, budget)
    try:
        with connection.transaction():
            row = connection.execute(_query(group)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    except psycopg.Error as error:
        if is_timeout(error) or isinstance(error, psycopg.ProgrammingError):
            return None
        raise
    if row is None or int(row[0]) > GROUPED_ROWS:
        return None
    rows, values, mean, p99, most = row
    return Groups(float(rows), float(values), float(mean or 0), float(p99 or 0), float(most or 0), exact=True)


def _query(group: Group) -> sql.Composed:
    columns = sql.SQL(", ").join([sql.Identifier(name) for name in group.columns])
    filled = sql.SQL(" AND ").join([sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in group.columns])
    return sql.SQL(
        "WITH seen AS (SELECT {} FROM {} LIMIT {}), counted AS (SELECT count(*) AS rows FROM seen WHERE {} GROUP BY {})"
        " SELECT (SELECT count(*) FROM seen), count(*), avg(rows), percentile_disc(0.99) WITHIN GROUP (ORDER BY rows),"
        " max(rows) FROM counted"
    ).format(
        columns,
        sql.Identifier(group.table.schema_name, group.table.table),
        sql.Literal(GROUPED_ROWS + 1),
        filled,
        columns,
    )


def _by_statistics(group: Group, facts: Facts) -> Groups | None:
    """Of several columns the one that tells most apart."""
    statistics = [found for name in group.columns if (found := facts.statistics(name)) is not None]
    if not facts.rows or len(statistics) < len(group.columns):
        return None
    filled = facts.rows * (1 - max(one.null_share for one in statistics))
    distinct = min(max((one.distinct or 1.0 for one in statistics), default=1.0), max(filled, 1.0))
    mean = filled / distinct
    shares = [one.common[0] for one in statistics if one.common]
    most = min(shares) * facts.rows if shares else mean
    return Groups(float(facts.rows), distinct, mean, None, max(most, mean), exact=False)
