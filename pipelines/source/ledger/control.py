"""A migration's row in the control table, and which database it was written in.

The epoch counts the times that versions had to begin afresh; it is kept in the warehouse, too, for a database that is
restored brings its old control row along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow, class_row

from pipelines.source.ledger.names import CONTROL, LOG, SCHEMA

_LINEAGE: tuple[LiteralString, ...] = (
    "SELECT system_identifier::text FROM pg_catalog.pg_control_system()",
    "SELECT timeline_id::text FROM pg_catalog.pg_control_checkpoint()",
)

NOT_INSTALLED = "capture is not installed"


@dataclass(frozen=True)
class Control:
    migration: str
    epoch: int
    mapping_hash: str
    capture: str  # off, on
    lineage: str | None
    sweeps: int = 0  # how many have been begun


def read_control(connection: Connection[TupleRow], migration: str) -> Control | None:
    """None where the migration has none, or the database has no ledger."""
    if not ledger_exists(connection):
        return None
    query = sql.SQL(
        "SELECT migration, epoch, mapping_hash, capture, lineage,"
        " coalesce((pg_catalog.to_jsonb(c) ->> 'sweeps')::int8, 0) AS sweeps FROM {} AS c WHERE migration = {}"
    ).format(CONTROL, sql.Literal(migration))
    with connection.cursor(row_factory=class_row(Control)) as cursor:
        return cursor.execute(query).fetchone()


def ledger_exists(connection: Connection[TupleRow]) -> bool:
    found = connection.execute(
        "SELECT pg_catalog.to_regclass(%s) IS NOT NULL AND pg_catalog.to_regclass(%s) IS NOT NULL",
        (LOG.as_string(None), CONTROL.as_string(None)),
    ).fetchone()
    return found is not None and bool(found[0])


def schema_exists(connection: Connection[TupleRow]) -> bool:
    return (
        connection.execute("SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s", (SCHEMA,)).fetchone() is not None
    )


def read_lineage(connection: Connection[TupleRow]) -> str | None:
    """`identifier/timeline` of the database cluster: a restore to a point in time and the promotion of a standby begin
    a new timeline (PostgreSQL, 25.3.6), a dump that is loaded elsewhere another cluster. None where the server does
    not tell; a transaction that is under way goes on.
    """
    parts: list[str] = []
    for query in _LINEAGE:
        try:
            with connection.transaction():
                found = connection.execute(query).fetchone()
        except psycopg.Error:
            return None
        parts.append(str(found[0]) if found else "")
    return "/".join(parts)


def begin_epoch(migration: str, epoch: int, mapping_hash: str, lineage: str | None) -> sql.Composed:
    """From here on capture counts as off until `switch_on`. The phase stays."""
    return sql.SQL(
        "INSERT INTO {} (migration, epoch, mapping_hash, capture, lineage) VALUES ({}, {}, {}, 'off', {})"
        " ON CONFLICT (migration) DO UPDATE SET epoch = EXCLUDED.epoch, mapping_hash = EXCLUDED.mapping_hash,"
        " capture = 'off', lineage = EXCLUDED.lineage"
    ).format(CONTROL, *map(sql.Literal, (migration, epoch, mapping_hash, lineage)))


def switch_on(migration: str, epoch: int) -> sql.Composed:
    return sql.SQL(
        "UPDATE {} SET capture = 'on', on_at = pg_catalog.clock_timestamp() WHERE migration = {} AND epoch = {}"
    ).format(CONTROL, sql.Literal(migration), sql.Literal(epoch))


def switch_off(migration: str) -> sql.Composed:
    return sql.SQL("UPDATE {} SET capture = 'off' WHERE migration = {}").format(CONTROL, sql.Literal(migration))
