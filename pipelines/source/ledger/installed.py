"""What of one migration is installed in the database, whatever its mapping says now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection, sql
from psycopg.rows import TupleRow, class_row

from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.names import CAPTURED, CONTROL, SCHEMA, prefix

_TRIGGERS: LiteralString = """
SELECT n.nspname AS schema_name, c.relname AS table_name, t.tgname AS name, t.tgenabled::text AS enabled,
       t.tgparentid <> 0 AS inherited, p.proname AS function, pg_catalog.pg_get_triggerdef(t.oid) AS definition
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pn.nspname = %s AND pg_catalog.starts_with(p.proname, %s) AND NOT t.tgisinternal
ORDER BY n.nspname, c.relname, t.tgname
"""

_FUNCTIONS: LiteralString = """
SELECT p.proname AS name, p.prosrc AS body, p.prosecdef AS definer,
       coalesce(p.proconfig, '{}') AS configuration,
       p.oid::pg_catalog.regprocedure::pg_catalog.text AS signature, pg_catalog.pg_get_functiondef(p.oid) AS definition
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = %s AND pg_catalog.starts_with(p.proname, %s)
ORDER BY p.proname
"""


@dataclass(frozen=True)
class InstalledTrigger:
    schema_name: str
    table_name: str
    name: str
    enabled: str  # pg_trigger.tgenabled: A always, O not in replica mode, R only there, D not at all
    inherited: bool  # of a partition, from its parent
    function: str
    definition: str

    @property
    def ref(self) -> TableRef:
        return TableRef(schema_name=self.schema_name, table=self.table_name)


@dataclass(frozen=True)
class InstalledFunction:
    name: str
    body: str
    definer: bool
    configuration: list[str]
    signature: str  # as DROP FUNCTION takes it
    definition: str


@dataclass(frozen=True)
class CapturedTable:
    """What was noted down when the table's triggers were installed. `triggers`: them and the functions of its rows, as
    PostgreSQL printed them then."""

    schema_name: str
    table_name: str
    definition: str
    triggers: list[str]
    members: list[str]

    @property
    def ref(self) -> TableRef:
        return TableRef(schema_name=self.schema_name, table=self.table_name)


@dataclass(frozen=True)
class Installed:
    triggers: tuple[InstalledTrigger, ...]
    functions: tuple[InstalledFunction, ...]
    tables: tuple[CapturedTable, ...]


def read_installed(connection: Connection[TupleRow], migration: str) -> Installed:
    """The ledger's tables exist."""
    mine = (SCHEMA, prefix(migration))
    with connection.cursor(row_factory=class_row(InstalledTrigger)) as cursor:
        triggers = cursor.execute(_TRIGGERS, mine).fetchall()
    with connection.cursor(row_factory=class_row(InstalledFunction)) as cursor:
        functions = cursor.execute(_FUNCTIONS, mine).fetchall()
    noted = sql.SQL(
        "SELECT schema_name, table_name, definition, triggers, members FROM {} WHERE migration = {}"
    ).format(CAPTURED, sql.Literal(migration))
    with connection.cursor(row_factory=class_row(CapturedTable)) as cursor:
        tables = cursor.execute(noted).fetchall()
    return Installed(tuple(triggers), tuple(functions), tuple(tables))


def other_migrations(connection: Connection[TupleRow], migration: str) -> bool:
    """Whether another one has a ledger here, or triggers that feed it. The ledger's tables exist."""
    query = sql.SQL(
        "SELECT EXISTS (SELECT FROM {} WHERE migration <> {migration})"
        " OR EXISTS (SELECT FROM {} WHERE migration <> {migration})"
        " OR EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = {schema} AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype"
        " AND NOT pg_catalog.starts_with(p.proname, {prefix}))"
    ).format(
        CONTROL,
        CAPTURED,
        migration=sql.Literal(migration),
        schema=sql.Literal(SCHEMA),
        prefix=sql.Literal(prefix(migration)),
    )
    found = connection.execute(query).fetchone()
    return found is not None and bool(found[0])
