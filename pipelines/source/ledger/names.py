"""What Crossover's objects in the source database are called.

Names of one migration begin with its own, or, where that is long, with its beginning and a hash: PostgreSQL cuts
identifiers at 63 bytes without an error (PostgreSQL, 4.1.1), and two names that are cut alike would be one.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from psycopg import sql

from pipelines.mapping.catalog import TableRef

SCHEMA = "crossover"

COMMAND_LOCK = 0x63726F73736F7665
"""pg_advisory_lock's: "crossove". One command at a time in a database that installs, removes or fences."""

LOG = sql.Identifier(SCHEMA, "log")
MARK = sql.Identifier(SCHEMA, "mark")
ITEM = sql.Identifier(SCHEMA, "item")
CONTROL = sql.Identifier(SCHEMA, "control")
CAPTURED = sql.Identifier(SCHEMA, "captured")
BACKFILL = sql.Identifier(SCHEMA, "backfill")
RELAY = sql.Identifier(SCHEMA, "relay")
MASTER = sql.Identifier(SCHEMA, "master")
STREAM = sql.Identifier(SCHEMA, "stream")
REVERSE = sql.Identifier(SCHEMA, "reverse")
REVERSE_RELAY = sql.Identifier(SCHEMA, "reverse_relay")
QUOTED = sql.Identifier(SCHEMA, "quoted")
FOLLOWED = sql.Identifier(SCHEMA, "followed")

Operation = Literal["insert", "update", "delete", "truncate"]
ROW_OPERATIONS: tuple[Operation, ...] = ("insert", "update", "delete")
OPERATIONS: tuple[Operation, ...] = (*ROW_OPERATIONS, "truncate")

_MIGRATION_BYTES = 22
_TABLE_BYTES = 13
_HASH_DIGITS = 6


def prefix(migration: str) -> str:
    """What the names of all functions of this migration begin with, and of no other's: `shop:`."""
    return (migration if len(migration) <= _MIGRATION_BYTES else _cut(migration, _MIGRATION_BYTES, migration)) + ":"


def function_name(migration: str, table: TableRef, operation: Operation) -> str:
    """`shop:orders~3fa2b1:update`, in the schema SCHEMA."""
    return row_function_name(migration, table, operation)


def row_function_name(migration: str, table: TableRef, what: str) -> str:
    """`shop:orders~3fa2b1:key1`, in the schema SCHEMA."""
    return f"{prefix(migration)}{_cut(table.table, _TABLE_BYTES + _HASH_DIGITS + 1, str(table))}:{what}"


def trigger_name(migration: str, table: TableRef, operation: Operation) -> str:
    """`crossover:shop:orders~3fa2b1:update`. Unlike for each table: a partition bears its parent's triggers, too."""
    return f"{SCHEMA}:{function_name(migration, table, operation)}"


def guard_trigger_name(migration: str) -> str:
    """`crossover~guard~shop`, on each table of a group. Without a colon, as its function: what capture has installed
    is told by names with one."""
    return f"{SCHEMA}~guard~{prefix(migration)[:-1]}"


def guard_function_name(migration: str, group: str) -> str:
    """`guard~shop~3fa2b1`, in the schema SCHEMA; one for each group."""
    return f"guard~{prefix(migration)[:-1]}~{hashlib.sha256(group.encode()).hexdigest()[:_HASH_DIGITS]}"


def _cut(text: str, most: int, hashed: str) -> str:
    """At most so many bytes: the beginning of the text, and the beginning of the hash of `hashed`."""
    digits = hashlib.sha256(hashed.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{text.encode()[: most - _HASH_DIGITS - 1].decode(errors='ignore')}~{digits}"
