"""Log rows become the item's base, in one statement: every snapshot sees the rows or the base that they became.

Items become due by it, but for those that were delivered with these rows while the log still held them.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg.sql import Literal

from pipelines.errors import SourceError
from pipelines.source.ledger.names import CONTROL, ITEM, LOG
from pipelines.source.ledger.schema import ITEM_KEY
from pipelines.source.ledger.version import EPOCH_STEP
from pipelines.source.server_error import describe

MOST_ROWS = 10_000

# In the order of the keys: two sessions that fold rows of the same items lock these in the same order.
_FOLD = sql.SQL(
    "WITH gone AS (DELETE FROM {log} WHERE ctid IN"
    " (SELECT ctid FROM {log} WHERE migration = {migration} AND old IS NULL LIMIT {most} FOR UPDATE SKIP LOCKED)"
    " RETURNING item_type, source_key),"
    " folded AS (SELECT item_type, source_key, count(*) AS rows FROM gone GROUP BY item_type, source_key),"
    " kept AS (INSERT INTO {item} AS i (migration, item_type, source_key, base, since, due)"
    " SELECT {migration}, item_type, source_key, rows, pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp()"
    " FROM folded ORDER BY item_type, source_key"
    " ON CONFLICT ({key}) DO UPDATE SET base = i.base + EXCLUDED.base,"
    " since = CASE WHEN {is_delivered} THEN NULL ELSE coalesce(i.since, EXCLUDED.since) END,"
    " due = CASE WHEN {is_delivered} THEN NULL WHEN i.lease_until > EXCLUDED.due THEN i.lease_until"
    " ELSE EXCLUDED.due END RETURNING 1)"
    " SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM kept)"
)

_IS_DELIVERED = sql.SQL(
    "i.delivered >= (SELECT epoch FROM {control} WHERE migration = {migration}) * {step} + i.base + EXCLUDED.base"
)


@dataclass(frozen=True)
class Compaction:
    """How many log rows are gone, and into how many items."""

    rows: int
    items: int


def compact(connection: Connection[TupleRow], migration: str, most: int = MOST_ROWS) -> Compaction:
    """Folds at most so many log rows, those that another session folds left out; no version changes by it. A row that
    says which key an item has left stays until that key is delivered.

    `connection`: of `connect_writable`, outside of a transaction. Raises SourceError; then nothing is changed.
    """
    told = {"migration": Literal(migration), "log": LOG, "item": ITEM, "key": ITEM_KEY, "most": Literal(most)}
    is_delivered = _IS_DELIVERED.format(control=CONTROL, step=Literal(EPOCH_STEP), migration=told["migration"])
    query = _FOLD.format(**told, is_delivered=is_delivered)
    failed = None
    try:
        with connection.transaction():
            found = connection.execute(query).fetchone()
            return Compaction(*found) if found else Compaction(0, 0)
    except psycopg.Error as error:
        failed = describe(error.sqlstate)
    raise SourceError(f"the log of {migration} could not be compacted: {failed}")
