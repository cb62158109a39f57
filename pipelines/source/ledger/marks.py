"""Marks become log rows, in the transaction that deletes them: a snapshot sees the mark, or the rows it became.

The roots are looked for in a statement of its own, later than the mark's own transaction: what it does not find
because a row was moved meanwhile, that move has touched itself. (Inside the writer's transaction it would not be so:
a line that another transaction inserts at the same time would be seen by neither of the two.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg.sql import Composed, Literal

from pipelines.errors import SourceError
from pipelines.mapping.plan import ItemPlan, MigrationPlan
from pipelines.source.ledger.names import ITEM, LOG, MARK
from pipelines.source.ledger.reach import Link, all_roots, roots_of_links
from pipelines.source.server_error import describe

MOST_MARKS = 1000


@dataclass(frozen=True)
class Expansion:
    """How many marks are gone, and how many log rows they became."""

    marks: int
    appended: int


@dataclass(frozen=True)
class OpenMark:
    """A row of the mark table. Both links None: the whole table was emptied."""

    item_type: str
    path: str
    old_link: Link | None
    new_link: Link | None

    @property
    def links(self) -> tuple[Link, ...]:
        return tuple(link for link in (self.old_link, self.new_link) if link is not None)


def expand_marks(connection: Connection[TupleRow], plan: MigrationPlan, most: int = MOST_MARKS) -> Expansion:
    """Expands at most so many of the migration's marks, in one transaction; those that another session is at work on
    are left to it. Call it until it finds none.

    `connection`: of `connect_writable`, outside of a transaction. Raises SourceError; then nothing is changed.
    """
    failed = None
    try:
        with connection.transaction():
            marks = _take(connection, plan.name, most)
            appended = sum(_append(connection, plan.name, item, query) for item, query in _queries(plan, marks))
            return Expansion(len(marks), appended)
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"the marks of {plan.name} could not be expanded: {failed}")


def open_marks(
    connection: Connection[TupleRow], plan: MigrationPlan, among: Sequence[str] | None = None
) -> dict[str, frozenset[str]]:
    """The source keys that marks reach which this connection's transaction sees, by item type; only those `among`
    these, where they are given. One snapshot: the caller's transaction is REPEATABLE READ."""
    rows = sql.SQL("SELECT item_type, path, old_link, new_link FROM {} WHERE migration = {}")
    marks = _marks(connection.execute(rows.format(MARK, Literal(plan.name))))
    reached: dict[str, set[str]] = {}
    for item, roots in _queries(plan, marks):
        query = roots if among is None else _among(roots, among)
        keys = (key for (key,) in connection.execute(query) if key is not None)
        reached.setdefault(item.name, set()).update(keys)
    return {name: frozenset(keys) for name, keys in reached.items()}


def _among(roots: Composed, source_keys: Sequence[str]) -> Composed:
    """A mark can reach more items than have room here."""
    query = sql.SQL("SELECT source_key FROM ({}) AS reached WHERE source_key = ANY ({}::pg_catalog.text[])")
    return query.format(roots, Literal(list(source_keys)))


def _take(connection: Connection[TupleRow], migration: str, most: int) -> list[OpenMark]:
    query = sql.SQL(
        "DELETE FROM {mark} WHERE ctid IN"
        " (SELECT ctid FROM {mark} WHERE migration = {migration} LIMIT {most} FOR UPDATE SKIP LOCKED)"
        " RETURNING item_type, path, old_link, new_link"
    ).format(mark=MARK, migration=Literal(migration), most=Literal(most))
    return _marks(connection.execute(query))


def _marks(rows: Iterable[TupleRow]) -> list[OpenMark]:
    return [
        OpenMark(item_type, path, None if old is None else tuple(old), None if new is None else tuple(new))
        for item_type, path, old, new in rows
    ]


def _queries(plan: MigrationPlan, marks: Iterable[OpenMark]) -> list[tuple[ItemPlan, Composed]]:
    """One query for each item type and path. Marks of an item type that the mapping has no more are dropped."""
    items = {item.name: item for item in plan.items}
    wanted: dict[tuple[str, str], dict[Link, None]] = {}
    for mark in marks:
        if mark.item_type in items:
            path = mark.path if mark.links else ""
            wanted.setdefault((mark.item_type, path), {}).update(dict.fromkeys(mark.links))
    return [(items[name], _roots(plan.name, items[name], path, list(links))) for (name, path), links in wanted.items()]


def _roots(migration: str, item: ItemPlan, path: str, links: list[Link]) -> Composed:
    """All that the ledger ever heard of, too, where the whole table is meant: its rows are gone."""
    if path:
        try:
            return roots_of_links(item, path.split("."), links)
        except KeyError:  # an embed of an earlier mapping
            pass
    known = [
        sql.SQL("SELECT source_key FROM {} WHERE migration = {} AND item_type = {}").format(
            table, Literal(migration), Literal(item.name)
        )
        for table in (ITEM, LOG)
    ]
    return sql.SQL(" UNION ").join([all_roots(item), *known])


def _append(connection: Connection[TupleRow], migration: str, item: ItemPlan, roots: Composed) -> int:
    query = sql.SQL(
        "INSERT INTO {} (migration, item_type, source_key)"
        " SELECT {}, {}, reached.source_key FROM ({}) AS reached WHERE reached.source_key IS NOT NULL"
    ).format(LOG, Literal(migration), Literal(item.name), roots)
    return connection.execute(query).rowcount
