"""Which tables there are, how large they are, and what has been done to them: from PostgreSQL's catalogue alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from pipelines.assess.evidence import Activity, ViewEvidence
from pipelines.assess.statements.parse import Parsed, parse
from pipelines.assess.statements.shape import shape
from pipelines.mapping.catalog import TableRef

_SCHEMAS: LiteralString = "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname = ANY(%s)"

# A partition counts as its root. Its sizes and its activity are summed up there; a root's own are nothing.
_TABLES: LiteralString = """
WITH RECURSIVE family(root, member) AS (
    SELECT c.oid, c.oid FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
  UNION ALL
    SELECT f.root, i.inhrelid FROM family f
    JOIN pg_catalog.pg_inherits i ON i.inhparent = f.member
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    WHERE c.relispartition
)
SELECT f.root, m.oid AS member, n.nspname::text AS schema_name, m.relname::text AS table_name, m.relkind::text AS kind,
       m.reltuples::float8 AS tuples, m.relpages::int8 AS pages,
       coalesce(pg_catalog.pg_relation_size(m.oid), 0) / pg_catalog.current_setting('block_size')::int8 AS heap_pages,
       coalesce(pg_catalog.pg_table_size(m.oid), 0) AS table_bytes,
       coalesce(pg_catalog.pg_indexes_size(m.oid), 0) AS index_bytes,
       coalesce(s.last_analyze, s.last_autoanalyze) IS NOT NULL AS analysed,
       coalesce(s.n_live_tup, 0) AS live, coalesce(s.n_tup_ins, 0) AS inserts, coalesce(s.n_tup_upd, 0) AS updates,
       coalesce(s.n_tup_del, 0) AS deletes, coalesce(s.seq_scan, 0) AS sequential_scans,
       coalesce(s.idx_scan, 0) AS index_scans
FROM family f
JOIN pg_catalog.pg_class m ON m.oid = f.member
JOIN pg_catalog.pg_namespace n ON n.oid = m.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = m.oid
ORDER BY f.root, m.oid <> f.root, n.nspname, m.relname
"""

_VIEWS: LiteralString = """
SELECT n.nspname::text, c.relname::text, pg_catalog.pg_get_viewdef(c.oid)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s) AND c.relkind IN ('v', 'm')
ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Member:
    """A table, or one partition of `root`. `tuples` and `pages`: as ANALYZE left them; `heap_pages`: now."""

    root: int
    member: int
    schema_name: str
    table_name: str
    kind: str
    tuples: float
    pages: int
    heap_pages: int
    table_bytes: int
    index_bytes: int
    analysed: bool
    live: int
    inserts: int
    updates: int
    deletes: int
    sequential_scans: int
    index_scans: int

    @property
    def ref(self) -> TableRef:
        return TableRef(schema_name=self.schema_name, table=self.table_name)


@dataclass(frozen=True)
class Family:
    """A table with its partitions, which come after it."""

    members: tuple[Member, ...]

    @property
    def oid(self) -> int:
        return self.members[0].root

    @property
    def ref(self) -> TableRef:
        return self.members[0].ref

    @property
    def partitions(self) -> tuple[TableRef, ...]:
        return tuple(member.ref for member in self.members[1:])

    @property
    def stored(self) -> tuple[Member, ...]:
        """Those that hold rows."""
        return tuple(member for member in self.members if member.kind != "p")

    @property
    def activity(self) -> Activity:
        return Activity(
            inserts=sum(one.inserts for one in self.stored),
            updates=sum(one.updates for one in self.stored),
            deletes=sum(one.deletes for one in self.stored),
            sequential_scans=sum(one.sequential_scans for one in self.stored),
            index_scans=sum(one.index_scans for one in self.stored),
        )


def missing_schemas(connection: Connection[TupleRow], schemas: Sequence[str]) -> list[str]:
    found = {name for (name,) in connection.execute(_SCHEMAS, (list(schemas),))}
    return [name for name in schemas if name not in found]


def read_families(connection: Connection[TupleRow], schemas: Sequence[str]) -> list[Family]:
    """By schema in the order given, then by name."""
    with connection.cursor(row_factory=class_row(Member)) as cursor:
        members = cursor.execute(_TABLES, (list(schemas),)).fetchall()
    by_root: dict[int, list[Member]] = {}
    for member in members:
        by_root.setdefault(member.root, []).append(member)
    families = [Family(tuple(found)) for found in by_root.values()]
    return sorted(families, key=lambda one: (schemas.index(one.ref.schema_name), one.ref.table))


def read_views(connection: Connection[TupleRow], schemas: Sequence[str]) -> tuple[ViewEvidence, ...]:
    rows = connection.execute(_VIEWS, (list(schemas),)).fetchall()
    return tuple(
        ViewEvidence(ref=TableRef(schema_name=schema, table=name), definition=_without_values(text))
        for schema, name, text in rows
    )


def _without_values(definition: str | None) -> str | None:
    outcome = parse(definition) if definition is not None else None
    try:
        return shape(outcome) if isinstance(outcome, Parsed) else None
    except RecursionError:  # nested too deeply
        return None
