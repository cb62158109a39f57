"""Reads from PostgreSQL's catalogue what the mapping needs to know: tables, columns, types, primary keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from pipelines.errors import SourceError
from pipelines.items.source_type import TEXTS, WRITTEN, Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef
from pipelines.source.server_error import describe

_RELATIONS = {
    "r": Relation.TABLE,
    "p": Relation.PARTITIONED,
    "v": Relation.VIEW,
    "m": Relation.MATERIALIZED_VIEW,
    "f": Relation.FOREIGN,
}

_KINDS = {
    "int2": Kind.INTEGER,
    "int4": Kind.INTEGER,
    "int8": Kind.INTEGER,
    "oid": Kind.INTEGER,
    "numeric": Kind.NUMERIC,
    "money": Kind.NUMERIC,
    "float4": Kind.FLOAT4,
    "float8": Kind.FLOAT8,
    "bool": Kind.BOOLEAN,
    "bytea": Kind.BYTES,
    "text": Kind.TEXT,
    "varchar": Kind.TEXT,
    "name": Kind.TEXT,
    "char": Kind.TEXT,
    "bpchar": Kind.CHAR,
    "uuid": Kind.UUID,
    "date": Kind.DATE,
    "timestamp": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMPTZ,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
}

_TABLES: LiteralString = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text,
       c.relkind <> 'p' AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN unnest(%s::text[], %s::text[]) AS wanted(schema_name, table_name)
  ON wanted.schema_name = n.nspname AND wanted.table_name = c.relname
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

# A domain's type modifier is that of the innermost definition that has one; an array passes its own to its elements.
# A column declared NOT NULL may hold NULLs nevertheless: where another server keeps the rows, in a table that inherits
# without the constraint, and while the constraint is NOT VALID.
_COLUMNS: LiteralString = """
WITH RECURSIVE resolved(relation, number, depth, type, modifier) AS (
    SELECT a.attrelid, a.attnum, 0, a.atttypid, a.atttypmod
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
    SELECT r.relation, r.number, r.depth + 1,
           CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END,
           CASE WHEN t.typtype = 'd' AND r.modifier = -1 THEN t.typtypmod ELSE r.modifier END
    FROM resolved r
    JOIN pg_catalog.pg_type t ON t.oid = r.type
    LEFT JOIN pg_catalog.pg_type element ON element.oid = t.typelem
    WHERE t.typtype = 'd' OR element.typarray = t.oid
), family(relation, member, kind) AS (
    SELECT c.oid, c.oid, c.relkind FROM pg_catalog.pg_class c WHERE c.oid = ANY(%s)
  UNION
    SELECT f.relation, c.oid, c.relkind
    FROM family f
    JOIN pg_catalog.pg_inherits i ON i.inhparent = f.member
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
)
SELECT r.relation, r.number AS number, a.attname AS column_name,
       NOT a.attnotnull OR EXISTS (
           SELECT FROM family f
           LEFT JOIN pg_catalog.pg_attribute own ON own.attrelid = f.member AND own.attname = a.attname
           LEFT JOIN pg_catalog.pg_constraint unproved
             ON unproved.conrelid = f.member AND unproved.contype = 'n' AND NOT unproved.convalidated
            AND unproved.conkey = ARRAY[own.attnum]
           WHERE f.relation = a.attrelid
             AND (f.kind = 'f' OR NOT own.attnotnull OR unproved.oid IS NOT NULL)
       ) AS nullable,
       a.attgenerated <> '' AS generated,
       a.attgenerated = '' AND (a.atthasdef OR a.attidentity <> '' OR d.typdefault IS NOT NULL) AS defaulted,
       pg_catalog.format_type(r.type, r.modifier) AS name, r.modifier, t.typname AS type_name,
       n.nspname = 'pg_catalog' AS built_in, t.typtype::text AS category,
       EXISTS (
           SELECT FROM pg_catalog.pg_depend d
           JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
           WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e'
             AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
             AND e.extname = 'citext' AND t.typname = 'citext'
       ) AS is_citext,
       coalesce(element.typarray = t.oid, false) AS is_array,
       coalesce((pg_catalog.to_jsonb(l) ->> 'collisdeterministic')::bool, true) AS deterministic
FROM resolved r
JOIN pg_catalog.pg_type t ON t.oid = r.type
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.relation AND a.attnum = r.number
JOIN pg_catalog.pg_type d ON d.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type element ON element.oid = t.typelem
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
WHERE t.typtype <> 'd'
ORDER BY r.relation, r.number, r.depth
"""

_COLUMNS_OF_11: LiteralString = _COLUMNS.replace("a.attgenerated", "''")  # which has no generated columns

_PRIMARY_KEYS: LiteralString = """
SELECT i.indrelid, a.attname
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, position)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = ANY(%s) AND i.indisprimary AND k.position <= i.indnkeyatts
ORDER BY i.indrelid, k.position
"""


@dataclass(frozen=True)
class _TypeRow:
    """One type of one column; for an array its elements' follow in rows of their own."""

    relation: int
    number: int
    column_name: str
    nullable: bool
    generated: bool
    defaulted: bool
    name: str
    modifier: int
    type_name: str
    built_in: bool
    category: str
    is_citext: bool
    is_array: bool
    deterministic: bool  # the column's collation; PostgreSQL 11 has no others


def read_catalog(connection: Connection[TupleRow], refs: Iterable[TableRef]) -> Catalog:
    """The tables of `refs` that exist, in the order asked for, as the connection's transaction sees them.

    Raises SourceError.
    """
    wanted = list(dict.fromkeys(refs))
    failed = None
    try:
        return _read(connection, wanted)
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"the source's catalogue could not be read: {failed}")


def _read(connection: Connection[TupleRow], wanted: list[TableRef]) -> Catalog:
    schemas, names = [ref.schema_name for ref in wanted], [ref.table for ref in wanted]
    found = {
        TableRef(schema_name=schema, table=name): (oid, _RELATIONS[relkind], inherited)
        for oid, schema, name, relkind, inherited in connection.execute(_TABLES, (schemas, names))
    }
    oids = [oid for oid, _, _ in found.values()]
    types: dict[int, list[_TypeRow]] = defaultdict(list)
    query = _COLUMNS if connection.info.server_version >= 120000 else _COLUMNS_OF_11
    with connection.cursor(row_factory=class_row(_TypeRow)) as cursor:
        for row in cursor.execute(query, (oids, oids)):
            types[row.relation].append(row)
    keys: dict[int, list[str]] = defaultdict(list)
    for oid, column in connection.execute(_PRIMARY_KEYS, (oids,)):
        keys[oid].append(column)
    utf8 = connection.info.parameter_status("server_encoding") != "SQL_ASCII"
    return Catalog(
        server_version=connection.info.server_version,
        tables=tuple(
            Table(
                ref=ref,
                relation=found[ref][1],
                columns=_columns(types[found[ref][0]], utf8),
                primary_key=tuple(keys[found[ref][0]]),
                inherited=found[ref][2],
            )
            for ref in wanted
            if ref in found
        ),
    )


def _columns(rows: list[_TypeRow], utf8: bool) -> tuple[Column, ...]:
    by_number: dict[int, list[_TypeRow]] = {}
    for row in rows:
        by_number.setdefault(row.number, []).append(row)
    return tuple(
        Column(
            name=levels[0].column_name,
            type=_type(levels, utf8),
            nullable=levels[0].nullable,
            defaulted=levels[0].defaulted,
            generated=levels[0].generated,
        )
        for levels in by_number.values()
    )


def _type(levels: list[_TypeRow], utf8: bool) -> SourceType:
    """`utf8`: whether the server knows its texts to be valid."""
    first = levels[0]
    if first.is_array:
        element = _type(levels[1:], utf8)
        return SourceType(name=first.name, kind=Kind.ARRAY, element=element, known=element.known, utf8=utf8)
    kind = _kind(first)
    precision, scale = _numeric_limits(first.modifier) if kind is Kind.NUMERIC else (None, None)
    # Ranges, composites and the like are PostgreSQL's own making, whoever defined them.
    known = kind is not Kind.OTHER or first.built_in or first.category != "b"
    exact = kind not in TEXTS or (first.deterministic and not first.is_citext)
    utf8 = utf8 or kind not in WRITTEN
    return SourceType(name=first.name, kind=kind, precision=precision, scale=scale, known=known, exact=exact, utf8=utf8)


def _kind(row: _TypeRow) -> Kind:
    if row.category == "e":
        return Kind.ENUM
    if row.built_in:
        return _KINDS.get(row.type_name, Kind.OTHER)
    return Kind.TEXT if row.is_citext else Kind.OTHER


def _numeric_limits(modifier: int) -> tuple[int | None, int | None]:
    """Precision and scale, -1000 to 1000, as PostgreSQL packs them into a type modifier."""
    if modifier < 4:
        return None, None
    packed = modifier - 4
    return (packed >> 16) & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024
