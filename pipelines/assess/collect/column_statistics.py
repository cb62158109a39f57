"""What ANALYZE has found out about columns: pg_stats, without the values that it keeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.assess.collect.catalogue import Family
from pipelines.assess.evidence import ColumnEvidence
from pipelines.mapping.catalog import TableRef

COMMON = 10
"""Most common values of which the share is kept."""

# A partitioned table has statistics of its own only where somebody has analysed it; `inherited` is of it and all below.
_STATISTICS: LiteralString = """
SELECT DISTINCT ON (s.schemaname, s.tablename, s.attname) s.schemaname::text, s.tablename::text, s.attname::text,
       s.null_frac::float8, s.n_distinct::float8, s.avg_width, s.most_common_freqs[1:%s]::float8[]
FROM pg_catalog.pg_stats s
JOIN unnest(%s::text[], %s::text[]) AS wanted(schema_name, table_name)
  ON wanted.schema_name = s.schemaname AND wanted.table_name = s.tablename
ORDER BY s.schemaname, s.tablename, s.attname, s.inherited DESC
"""

# Infinity is the first or last of the bounds, or a common value. CASE keeps the planner from reading
# the values of all other columns.
_BEYOND: LiteralString = """
SELECT n.nspname::text, c.relname::text, a.attname::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace own ON own.oid = t.typnamespace
JOIN pg_catalog.pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
WHERE n.nspname = ANY (%s) AND own.nspname = 'pg_catalog'
  AND CASE WHEN t.typname IN ('date', 'timestamp', 'timestamptz')
           THEN concat(s.most_common_vals::text, s.histogram_bounds::text) ~ 'infinity| BC|[0-9]{5}-' ELSE false END
"""

Raw = tuple[float, float, int, tuple[float, ...], bool]
"""Share of NULLs, n_distinct as pg_stats has it (below zero: a share of the rows), average bytes, common shares,
whether a date or time is beyond the years 1 to 9999."""


def read_statistics(
    connection: Connection[TupleRow], families: Sequence[Family], rows: Mapping[int, int | None]
) -> dict[int, dict[str, ColumnEvidence]]:
    """Per table's oid; `rows` likewise. A role sees those of columns that it may read."""
    refs = [ref for family in families for ref in (family.ref, *family.partitions)]
    raw: dict[TableRef, dict[str, Raw]] = defaultdict(dict)
    names = ([ref.schema_name for ref in refs], [ref.table for ref in refs])
    beyond = set(connection.execute(_BEYOND, (sorted({ref.schema_name for ref in refs}),)))
    for schema, table, column, nulls, distinct, width, common in connection.execute(_STATISTICS, (COMMON, *names)):
        found = (nulls, distinct, width, tuple(common or ()), (schema, table, column) in beyond)
        raw[TableRef(schema_name=schema, table=table)][column] = found
    return {family.oid: _of(family, raw, rows[family.oid]) for family in families}


def _of(family: Family, raw: Mapping[TableRef, Mapping[str, Raw]], rows: int | None) -> dict[str, ColumnEvidence]:
    own = raw.get(family.ref)
    if own:
        return {column: _evidence(found, rows) for column, found in own.items()}
    parts = [(member.tuples, raw[member.ref]) for member in family.stored if member.ref in raw and member.tuples > 0]
    names = dict.fromkeys(name for _, columns in parts for name in columns)
    return {name: _merged([(weight, columns[name]) for weight, columns in parts if name in columns]) for name in names}


def _evidence(raw: Raw, rows: int | None) -> ColumnEvidence:
    nulls, distinct, width, common, beyond = raw
    count = distinct if distinct >= 0 else (-distinct * rows if rows is not None else None)
    return ColumnEvidence(
        null_share=_short(nulls),
        distinct=None if count is None else round(count, 1),
        common=tuple(_short(one) for one in common),
        average_bytes=width,
        beyond=beyond,
    )


def _merged(parts: Sequence[tuple[float, Raw]]) -> ColumnEvidence:
    """Of partitions: shares and widths add up, by rows; how many values they have in common is not known."""
    total = sum(weight for weight, _ in parts)
    return ColumnEvidence(
        null_share=_short(sum(weight * raw[0] for weight, raw in parts) / total),
        distinct=None,
        common=(),
        average_bytes=round(sum(weight * raw[2] for weight, raw in parts) / total),
        beyond=any(raw[4] for _, raw in parts),
    )


def _short(share: float) -> float:
    return round(share, 6)
