"""Foreign keys, unique keys and indexes, with the use that has been made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.assess.evidence import ForeignKey, IndexEvidence
from pipelines.mapping.catalog import TableRef

_ACTIONS = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}

# What partitions have inherited is not told again.
_FOREIGN_KEYS: LiteralString = """
SELECT k.conname::text, child.nspname::text, c.relname::text, parent.nspname::text, p.relname::text,
       k.confdeltype::text,
       (SELECT array_agg(a.attname::text ORDER BY u.position)
        FROM unnest(k.conkey) WITH ORDINALITY AS u(number, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number),
       (SELECT array_agg(a.attname::text ORDER BY u.position)
        FROM unnest(k.confkey) WITH ORDINALITY AS u(number, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace child ON child.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace parent ON parent.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid = ANY(%s)
ORDER BY child.nspname, c.relname, k.conname
"""

# An index of a partitioned table has been used as often as those of its partitions.
_INDEXES: LiteralString = """
WITH RECURSIVE family(root, member) AS (
    SELECT i.indexrelid, i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = ANY(%s)
  UNION ALL
    SELECT f.root, h.inhrelid FROM family f JOIN pg_catalog.pg_inherits h ON h.inhparent = f.member
), used AS (
    SELECT f.root, sum(coalesce(s.idx_scan, 0))::int8 AS scans,
           sum(coalesce(pg_catalog.pg_relation_size(f.member), 0))::int8 AS bytes
    FROM family f
    LEFT JOIN pg_catalog.pg_stat_all_indexes s ON s.indexrelid = f.member
    GROUP BY f.root
)
SELECT i.indrelid, x.relname::text, i.indisunique, i.indisprimary, i.indpred IS NOT NULL, i.indisvalid,
       u.scans, u.bytes,
       (SELECT array_agg(a.attname::text ORDER BY k.position)
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, position)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number > 0
        WHERE k.position <= i.indnkeyatts)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN used u ON u.root = i.indexrelid
WHERE i.indrelid = ANY(%s)
ORDER BY i.indrelid, i.indisprimary DESC, x.relname
"""


@dataclass
class TableKeys:
    indexes: list[IndexEvidence] = field(default_factory=list)
    unique_keys: list[tuple[str, ...]] = field(default_factory=list)


def read_foreign_keys(connection: Connection[TupleRow], tables: Sequence[int]) -> tuple[ForeignKey, ...]:
    rows = connection.execute(_FOREIGN_KEYS, (list(tables),)).fetchall()
    return tuple(
        ForeignKey(
            name=name,
            table=TableRef(schema_name=schema, table=table),
            columns=tuple(columns),
            parent=TableRef(schema_name=parent_schema, table=parent),
            parent_columns=tuple(parent_columns),
            on_delete=_ACTIONS[action],
        )
        for name, schema, table, parent_schema, parent, action, columns, parent_columns in rows
    )


def read_indexes(connection: Connection[TupleRow], tables: Sequence[int]) -> dict[int, TableKeys]:
    """Per table's oid. A unique index makes a key where it covers all rows and nothing but columns."""
    found: dict[int, TableKeys] = defaultdict(TableKeys)
    rows = connection.execute(_INDEXES, (list(tables), list(tables)))
    for table, name, unique, primary, partial, valid, scans, size, columns in rows:
        index = IndexEvidence(
            name=name,
            columns=tuple(columns),
            unique=unique,
            primary=primary,
            partial=partial,
            scans=scans,
            bytes=size,
        )
        found[table].indexes.append(index)
        if unique and valid and not primary and not partial and None not in columns:
            found[table].unique_keys.append(tuple(columns))
    return found
