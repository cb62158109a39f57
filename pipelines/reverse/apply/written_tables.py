"""What the database says of tables that are to be written: types, columns that write themselves, and what else a write
there sets going.

PostgreSQL: pg_attribute (53.7), pg_constraint (53.13), pg_trigger (53.58).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.names import SCHEMA

_COLUMNS: LiteralString = """
SELECT n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, -1),
       pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '', a.attidentity = 'a'
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
JOIN unnest(%s::text[], %s::text[]) AS wanted(schema_name, table_name)
  ON wanted.schema_name = n.nspname AND wanted.table_name = c.relname
WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
"""

_FOREIGN_KEYS: LiteralString = """
SELECT DISTINCT cn.nspname, child.relname, pn.nspname, parent.relname,
       k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd')
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class child ON child.oid = k.conrelid
JOIN pg_catalog.pg_namespace cn ON cn.oid = child.relnamespace
JOIN pg_catalog.pg_class parent ON parent.oid = k.confrelid
JOIN pg_catalog.pg_namespace pn ON pn.oid = parent.relnamespace
WHERE k.contype = 'f'
"""

_TRIGGERED: LiteralString = """
SELECT DISTINCT n.nspname, c.relname
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
WHERE NOT t.tgisinternal AND pn.nspname <> %s AND t.tgenabled <> 'D'
"""


@dataclass(frozen=True)
class WrittenColumn:
    """`bare`: its type without a length or a precision; `type`: with it. `writes_itself`: generated. `keeps`: an
    identity that is always generated: an insert can give it, an update cannot."""

    name: str
    bare: str
    type: str
    writes_itself: bool
    keeps: bool


@dataclass(frozen=True)
class WrittenTables:
    """`rank`: a table comes after those that its foreign keys name, as far as there is such an order."""

    columns: Mapping[TableRef, Mapping[str, WrittenColumn]]
    rank: Mapping[TableRef, int]
    triggered: frozenset[TableRef]
    cascaded: frozenset[TableRef]

    def sets_going(self, tables: Iterable[TableRef]) -> bool:
        """Whether a write there can change rows that it does not name: by triggers of the application, or by foreign
        keys that delete or change what names a row."""
        return any(table in self.triggered or table in self.cascaded for table in tables)


def read_written_tables(connection: Connection[TupleRow], refs: Iterable[TableRef]) -> WrittenTables:
    """Of those that exist. The session's search path is empty, so that types bear their schemas."""
    wanted = list(dict.fromkeys(refs))
    names = ([ref.schema_name for ref in wanted], [ref.table for ref in wanted])
    columns: dict[TableRef, dict[str, WrittenColumn]] = {ref: {} for ref in wanted}
    for schema, table, name, *rest in connection.execute(_COLUMNS, names):
        columns[_ref(schema, table)][name] = WrittenColumn(name, *rest)
    keys = [
        (_ref(schema, table), _ref(parent_schema, parent), acts)
        for schema, table, parent_schema, parent, acts in connection.execute(_FOREIGN_KEYS)
    ]
    triggered = frozenset(_ref(schema, table) for schema, table in connection.execute(_TRIGGERED, (SCHEMA,)))
    return WrittenTables(
        columns=columns,
        rank=rank_of(wanted, [(child, parent) for child, parent, _ in keys]),
        triggered=triggered,
        cascaded=frozenset(parent for _, parent, acts in keys if acts),
    )


def rank_of(tables: Sequence[TableRef], keys: Iterable[tuple[TableRef, TableRef]]) -> dict[TableRef, int]:
    """Of a ring of foreign keys, some order: what needs another is refused, and tried again later."""
    parents: dict[TableRef, set[TableRef]] = {table: set() for table in tables}
    for child, parent in keys:
        if child in parents and parent in parents and child != parent:
            parents[child].add(parent)
    while True:
        try:
            return {table: place for place, table in enumerate(TopologicalSorter(parents).static_order())}
        except CycleError as ring:
            child, parent = ring.args[1][1], ring.args[1][0]
            parents[child].discard(parent)


def _ref(schema: str, table: str) -> TableRef:
    return TableRef(schema_name=schema, table=table)
