"""How many rows a table has, without counting them: at most its first pages are read, where nothing else is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.assess.collect.catalogue import Family, Member
from pipelines.assess.evidence import RowsFrom

PAGES = 128
"""Pages of a table that was never analysed, of which the rows are counted: 1 MB unless pages are larger."""

_TID_RANGES = 140000  # PostgreSQL 14 reads a range of pages; before, `ctid < …` reads the whole table


@dataclass(frozen=True)
class RowCount:
    rows: int | None
    source: RowsFrom


def count_rows(connection: Connection[TupleRow], families: Sequence[Family]) -> dict[int, RowCount]:
    """Per table's oid."""
    return {family.oid: _sum([_count(connection, member) for member in family.stored]) for family in families}


def _count(connection: Connection[TupleRow], member: Member) -> RowCount:
    if member.kind == "f":
        return RowCount(round(member.tuples), RowsFrom.STATISTICS) if member.tuples > 0 else _UNKNOWN
    if member.heap_pages == 0:
        return RowCount(0, RowsFrom.EMPTY)
    if member.pages > 0 and member.tuples >= 0:
        density = member.tuples / member.pages
        return RowCount(round(density * member.heap_pages), RowsFrom.STATISTICS)
    return _by_first_pages(connection, member)


def _by_first_pages(connection: Connection[TupleRow], member: Member) -> RowCount:
    """Never analysed. Where the pages may not be read, what the server has counted as it wrote."""
    counted = None
    if connection.info.server_version >= _TID_RANGES:
        name = sql.Identifier(member.schema_name, member.table_name)
        query = sql.SQL("SELECT count(*) FROM ONLY {} WHERE ctid < {}::tid").format(name, sql.Literal(f"({PAGES},0)"))
        try:
            with connection.transaction():  # a savepoint: what is refused does not end the whole
                row = connection.execute(query).fetchone()
            counted = row[0] if row is not None else None
        except psycopg.Error:
            counted = None
    if counted is None:
        return RowCount(member.live, RowsFrom.ACTIVITY) if member.live else _UNKNOWN
    return RowCount(round(counted * member.heap_pages / min(PAGES, member.heap_pages)), RowsFrom.PAGES)


def _sum(counts: Sequence[RowCount]) -> RowCount:
    """A sum is known as well as what is known least."""
    if not counts:
        return RowCount(0, RowsFrom.EMPTY)
    least = max(counts, key=lambda one: list(RowsFrom).index(one.source))
    if any(one.rows is None for one in counts):
        return _UNKNOWN
    return RowCount(sum(one.rows or 0 for one in counts), least.source)


_UNKNOWN = RowCount(None, RowsFrom.UNKNOWN)
