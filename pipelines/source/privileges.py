"""Whether the session's role may read what the mapping takes, asked before a snapshot runs into it.

PostgreSQL, "Access Privilege Inquiry Functions". What a view or a foreign table reads in its turn is not looked into.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow, class_row

from pipelines.errors import SourceError
from pipelines.mapping.catalog import Table, TableRef
from pipelines.source.parts import PART_PAGES, reads_by_ctid
from pipelines.source.server_error import describe

SHOWN = 5

_RIGHTS: LiteralString = """
SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usage,
       pg_catalog.has_table_privilege(c.oid, 'SELECT') AS whole,
       pg_catalog.has_any_column_privilege(c.oid, 'SELECT') AS some,
       ARRAY(
           SELECT a.attname::text FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = c.oid AND a.attname = ANY(%(columns)s)
             AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
           ORDER BY a.attnum
       ) AS refused,
       pg_catalog.pg_table_size(c.oid) / pg_catalog.current_setting('block_size')::int8 > %(pages)s AS large,
       pg_catalog.row_security_active(c.oid) AS policy
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s
"""

SELECT, USAGE = sql.SQL("SELECT"), sql.SQL("USAGE")
TABLE, SCHEMA = sql.SQL("TABLE"), sql.SQL("SCHEMA")


@dataclass(frozen=True)
class _Rights:
    usage: bool
    whole: bool  # SELECT on the table
    some: bool  # on the table, or on some columns of it
    refused: list[str]  # columns that are wanted
    large: bool  # it is read in ranges of pages, by `ctid`
    policy: bool


def require_readable(connection: Connection[TupleRow], columns: Mapping[Table, tuple[str, ...]]) -> None:
    """`columns`: what is read of each table. Raises SourceError with each table that is refused, and with what to
    GRANT; tables that do not exist are passed over."""
    failed = None
    try:
        role = _role(connection)
        problems = [
            problem for table, names in columns.items() for problem in _problems(connection, role, table, names)
        ]
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    if failed is not None:
        raise SourceError(f"source: the rights of its role could not be read: {failed}")
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise SourceError(f"source: role {role} may not read all that is mapped: {'; '.join(problems[:SHOWN])}{more}")


def _role(connection: Connection[TupleRow]) -> str:
    row = connection.execute("SELECT current_user::text").fetchone()
    assert row is not None
    return str(row[0])


def _problems(connection: Connection[TupleRow], role: str, table: Table, columns: tuple[str, ...]) -> Iterator[str]:
    ref = table.ref
    rights = _rights(connection, table, columns)
    if rights is None:
        return
    if not rights.usage:
        yield f"schema {ref.schema_name}: {grant(USAGE, SCHEMA, sql.Identifier(ref.schema_name), role)}"
    by_ctid = reads_by_ctid(table, connection.info.server_version, large=rights.large)
    if rights.refused and rights.some and not by_ctid:
        names = ", ".join(rights.refused)
        yield f"{ref}, columns {names}: {grant(select_of(rights.refused), TABLE, _name(ref), role)}"
    elif rights.refused:
        yield f"{ref}: {grant(SELECT, TABLE, _name(ref), role)}"
    elif by_ctid and not rights.whole:
        yield (
            f"{ref}: a table of this size is read by ctid, for which rights to single columns do not suffice: "
            f"{grant(SELECT, TABLE, _name(ref), role)}"
        )
    if rights.policy:
        yield f"{ref}: row-level security hides rows from it: {bypass_policies(role)}"


def _rights(connection: Connection[TupleRow], table: Table, columns: tuple[str, ...]) -> _Rights | None:
    with connection.cursor(row_factory=class_row(_Rights)) as cursor:
        asked = {
            "schema": table.ref.schema_name,
            "table": table.ref.table,
            "columns": list(columns),
            "pages": PART_PAGES,
        }
        return cursor.execute(_RIGHTS, asked).fetchone()


def _name(ref: TableRef) -> sql.Identifier:
    return sql.Identifier(ref.schema_name, ref.table)


def grant(what: sql.Composable, kind: sql.SQL, name: sql.Identifier, role: str) -> str:
    """`GRANT SELECT ON TABLE "public"."orders" TO "reader"`"""
    return sql.SQL("GRANT {} ON {} {} TO {}").format(what, kind, name, sql.Identifier(role)).as_string(None)


def select_of(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL("SELECT ({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))


def bypass_policies(role: str) -> str:
    return sql.SQL("ALTER ROLE {} BYPASSRLS").format(sql.Identifier(role)).as_string(None)
