"""The tables to be captured as they are in the database: partitions, heirs, and columns that triggers cannot see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.mapping.catalog import TableRef

_MEMBERS: LiteralString = """
WITH RECURSIVE tree(root, oid) AS (
    SELECT c.oid, c.oid
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN unnest(%s::text[], %s::text[]) AS wanted(schema_name, table_name)
      ON wanted.schema_name = n.nspname AND wanted.table_name = c.relname
  UNION
    SELECT tree.root, i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
)
SELECT rn.nspname, root.relname, mn.nspname, member.relname, member.relkind::text, member.relpersistence::text
FROM tree
JOIN pg_catalog.pg_class root ON root.oid = tree.root
JOIN pg_catalog.pg_namespace rn ON rn.oid = root.relnamespace
JOIN pg_catalog.pg_class member ON member.oid = tree.oid
JOIN pg_catalog.pg_namespace mn ON mn.oid = member.relnamespace
ORDER BY tree.root, tree.root <> tree.oid, mn.nspname, member.relname
"""

_VIRTUAL: LiteralString = """
SELECT n.nspname, c.relname, a.attname
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN unnest(%s::text[], %s::text[]) AS wanted(schema_name, table_name)
  ON wanted.schema_name = n.nspname AND wanted.table_name = c.relname
WHERE a.attgenerated = 'v' AND NOT a.attisdropped
"""


@dataclass(frozen=True)
class SourceRelation:
    """`members`: the table, then its partitions or heirs, as deep as they go.

    `row_members`: those that need row triggers of their own: PostgreSQL gives a partition those of its parent.
    `virtual`: generated columns that are not stored; a trigger finds nothing in them (PostgreSQL, CREATE TRIGGER).
    `blind`: why changes can escape its triggers, or None.
    """

    ref: TableRef
    members: tuple[TableRef, ...]
    row_members: tuple[TableRef, ...]
    virtual: frozenset[str]
    blind: str | None
    partitioned: bool


def read_relations(connection: Connection[TupleRow], refs: Iterable[TableRef]) -> dict[TableRef, SourceRelation]:
    """Of those that exist."""
    wanted = list(dict.fromkeys(refs))
    names = ([ref.schema_name for ref in wanted], [ref.table for ref in wanted])
    virtual: dict[TableRef, set[str]] = {}
    for schema, table, column in connection.execute(_VIRTUAL, names):
        virtual.setdefault(TableRef(schema_name=schema, table=table), set()).add(column)
    found: dict[TableRef, list[_Member]] = {}
    for schema, table, *member in connection.execute(_MEMBERS, names):
        found.setdefault(TableRef(schema_name=schema, table=table), []).append(_Member(*member))
    return {ref: _relation(ref, members, virtual.get(ref, set())) for ref, members in found.items()}


@dataclass(frozen=True)
class _Member:
    schema: str
    table: str
    kind: str  # pg_class.relkind
    persistence: str  # pg_class.relpersistence

    @property
    def ref(self) -> TableRef:
        return TableRef(schema_name=self.schema, table=self.table)


def _relation(ref: TableRef, members: list[_Member], virtual: Iterable[str]) -> SourceRelation:
    refs = tuple(member.ref for member in members)
    partitioned = members[0].kind == "p"
    return SourceRelation(
        ref, refs, refs[:1] if partitioned else refs, frozenset(virtual), _blind(members), partitioned
    )


def _blind(members: list[_Member]) -> str | None:
    for member in members:
        if member.kind == "f":
            return f"in part the foreign table {member.ref}: its rows change in another database"
        if member.persistence == "u":
            return f"unlogged ({member.ref}): a crash of the server empties it and no trigger fires"
    return None


def blind_tables(relations: Mapping[TableRef, SourceRelation]) -> dict[TableRef, str]:
    return {ref: relation.blind for ref, relation in relations.items() if relation.blind is not None}
