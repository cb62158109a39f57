"""What the locks of a cut do not stop: a schema that is renamed, and a table that becomes a part of another one.

ALTER SCHEMA … RENAME locks no table, so a name can come to mean another table between two statements. ATTACH PARTITION
and INHERIT go on beside ACCESS SHARE locks, and a session with an older snapshot then finds the new part's rows, which
were no rows of this table at that instant. (DETACH … CONCURRENTLY obeys snapshots.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.mapping.catalog import TableRef
from pipelines.source.arrow_session import ArrowError, ArrowSession
from pipelines.source.server_error import describe

_OIDS: LiteralString = """
SELECT n.nspname, c.relname, c.oid
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN unnest(%s::text[], %s::text[]) AS wanted(schema_name, table_name)
  ON wanted.schema_name = n.nspname AND wanted.table_name = c.relname
"""

_MEMBERS: LiteralString = """
WITH RECURSIVE member(root, oid) AS (
    SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = ANY(%s)
  UNION
    SELECT m.root, i.inhrelid FROM member m JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid
)
SELECT m.root, n.nspname, c.relname
FROM member m
JOIN pg_catalog.pg_class c ON c.oid = m.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind <> 'p'
"""


@dataclass(frozen=True)
class Member:
    """A table whose rows are also those of `root`: a partition, or a table that inherits from it."""

    root: int
    ref: TableRef


def oids(connection: Connection[TupleRow], refs: Iterable[TableRef]) -> dict[TableRef, int]:
    """Which table each name means to this session's transaction. Raises SourceError."""
    wanted = list(refs)
    names = ([ref.schema_name for ref in wanted], [ref.table for ref in wanted])
    return {TableRef(schema_name=row[0], table=row[1]): row[2] for row in _fetch(connection, _OIDS, names)}


def members(connection: Connection[TupleRow], roots: Mapping[TableRef, int]) -> frozenset[Member]:
    """As this session's transaction sees them. Raises SourceError."""
    found = _fetch(connection, _MEMBERS, (list(roots.values()),))
    return frozenset(Member(row[0], TableRef(schema_name=row[1], table=row[2])) for row in found)


def require_same_tables(
    holder: Connection[TupleRow], reader: ArrowSession, locked: Mapping[TableRef, int], parts: frozenset[Member]
) -> None:
    """`holder` sees what is committed now, `reader` the snapshot. Raises SourceError where they could have disagreed
    about what a table is, or where the locks are lost."""
    now = oids(holder, locked)
    for ref, oid in locked.items():
        if now.get(ref) != oid:
            raise SourceError(f"source: {ref}: it was renamed or replaced while it was read; try again")
    names = {oid: ref for ref, oid in locked.items()}
    for new in sorted(members(holder, locked) - parts, key=lambda member: str(member.ref)):
        if _has_rows(reader, new.ref):
            raise SourceError(
                f"source: {names[new.root]}: {new.ref} was attached to it while it was read, and has rows of before; "
                "try again"
            )


def _has_rows(reader: ArrowSession, ref: TableRef) -> bool:
    """True, too, where that may not be asked: the right to read a table is none to read its parts by themselves."""
    question = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(ref.schema_name, ref.table))
    try:
        with reader.rows(question.as_string(None)) as batches:
            return any(batch.column(0)[0].as_py() for batch in batches)
    except ArrowError:
        return True


def _fetch(
    connection: Connection[TupleRow], query: LiteralString, values: tuple[list[object] | list[str] | list[int], ...]
) -> list[TupleRow]:
    failed = None
    try:
        return connection.execute(query, values).fetchall()
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"source: the tables that were read: {failed}")
