"""What of a table decides who may read it and who may capture it: its owner, its policies, its size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.names import SCHEMA
from pipelines.source.parts import PART_PAGES
from pipelines.source.server_error import describe

_TABLES: LiteralString = """
SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner), c.relrowsecurity,
       coalesce(pg_catalog.pg_table_size(c.oid), 0) / pg_catalog.current_setting('block_size')::int8 > %s
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN unnest(%s::text[], %s::text[]) AS wanted(schema_name, table_name)
  ON wanted.schema_name = n.nspname AND wanted.table_name = c.relname
"""

_DATABASE: LiteralString = """
SELECT pg_catalog.current_database()::text,
       (SELECT pg_catalog.pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace WHERE nspname = %s)
"""


@dataclass(frozen=True)
class TableAccess:
    """`policy`: row-level security is on. `large`: a snapshot reads it in ranges of its pages."""

    owner: str
    policy: bool
    large: bool


@dataclass(frozen=True)
class DatabaseAccess:
    """`ledger_owner`: of schema crossover; None where there is none."""

    database: str
    ledger_owner: str | None
    tables: dict[TableRef, TableAccess]


def read_access(connection: Connection[TupleRow], refs: Iterable[TableRef]) -> DatabaseAccess:
    """Of those tables that exist. Any role that can connect may ask. Raises SourceError."""
    wanted = list(dict.fromkeys(refs))
    names = ([ref.schema_name for ref in wanted], [ref.table for ref in wanted])
    failed = None
    try:
        found = connection.execute(_DATABASE, (SCHEMA,)).fetchone()
        rows = connection.execute(_TABLES, (PART_PAGES, *names)).fetchall()
        assert found is not None
        tables = {TableRef(schema_name=row[0], table=row[1]): TableAccess(*row[2:]) for row in rows}
        return DatabaseAccess(found[0], found[1], tables)
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"source: who owns its tables could not be read: {failed}")
