"""The version of items in a snapshot: epoch · 2^40 + base + the number of its visible log rows.

On the primary a later snapshot sees a superset of an earlier one's log rows, so versions order the states of an item.
Read them, and the rows themselves, in one REPEATABLE READ transaction: of two snapshots one would be older.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg.sql import Composed, Literal

from pipelines.source.ledger.item_row import log_rows
from pipelines.source.ledger.names import CONTROL, ITEM, LOG

EPOCH_STEP = 2**40


def first_version(epoch: int) -> int:
    """Of an item that the ledger has never heard of."""
    return epoch * EPOCH_STEP


def read_versions(
    connection: Connection[TupleRow], migration: str, item_type: str, source_keys: Sequence[str]
) -> dict[str, int]:
    """Of these source keys, in the transaction's snapshot."""
    found = connection.execute(versions_of_keys(migration, item_type, source_keys)).fetchall()
    return {source_key: int(version) for source_key, version, _ in found}


def read_states(
    connection: Connection[TupleRow], migration: str, item_type: str, source_keys: Sequence[str]
) -> dict[str, tuple[int, bool]]:
    """Version, and whether it is undelivered, of these source keys, in the transaction's snapshot."""
    found = connection.execute(versions_of_keys(migration, item_type, source_keys)).fetchall()
    return {source_key: (int(version), undelivered) for source_key, version, undelivered in found}


def versions_of_keys(migration: str, item_type: str, source_keys: Sequence[str]) -> Composed:
    """`SELECT source_key, version, undelivered`, a row for each key. The log is read once, whatever the number of
    keys."""
    logged = log_rows("l.source_key, pg_catalog.count(*) AS rows", migration, item_type, source_keys)
    return sql.SQL(
        "SELECT k.source_key, {version} + coalesce(i.base, 0) + coalesce(logged.rows, 0) AS version,"
        " (i.source_key IS NOT NULL OR logged.rows IS NOT NULL)"
        " AND coalesce(i.delivered, -1) < {version} + coalesce(i.base, 0) + coalesce(logged.rows, 0) AS undelivered"
        ' FROM (SELECT DISTINCT key COLLATE "C" AS source_key FROM unnest({keys}::text[]) AS key) AS k'
        " LEFT JOIN ({logged} GROUP BY l.source_key) AS logged ON logged.source_key = k.source_key"
        " LEFT JOIN LATERAL (SELECT i.source_key, i.base, i.delivered FROM {item} i"  # by the index: item_row.statement
        " WHERE i.migration = {migration} AND i.item_type = {item_type}"
        " AND pg_catalog.hashtextextended(i.source_key, 0) = pg_catalog.hashtextextended(k.source_key, 0)"
        " AND pg_catalog.hashtextextended(i.source_key, 1) = pg_catalog.hashtextextended(k.source_key, 1)"
        " AND i.source_key = k.source_key LIMIT 1) AS i ON true"
    ).format(
        version=_epoch(migration),
        logged=logged,
        item=ITEM,
        item_type=Literal(item_type),
        migration=Literal(migration),
        keys=Literal(list(source_keys)),
    )


def versions_known(migration: str) -> Composed:
    """`SELECT item_type, source_key, version, undelivered` of every item that the ledger has heard of; all others have
    `first_version`."""
    return sql.SQL(
        "SELECT known.item_type, known.source_key, ({version} + sum(known.count))::int8 AS version,"
        " coalesce(max(known.delivered), -1) < ({version} + sum(known.count))::int8 AS undelivered"
        " FROM (SELECT item_type, source_key, base AS count, delivered FROM {item} WHERE migration = {migration}"
        " UNION ALL SELECT item_type, source_key, 1, NULL FROM {log} WHERE migration = {migration}) AS known"
        " GROUP BY known.item_type, known.source_key"
    ).format(version=_epoch(migration), item=ITEM, log=LOG, migration=Literal(migration))


def highest_version(connection: Connection[TupleRow], migration: str) -> int:
    """That an item may have: of one that was touched it can be an epoch's that has not begun yet."""
    found = connection.execute(
        sql.SQL(
            "SELECT {epoch} + coalesce((SELECT max(base) FROM {item} WHERE migration = {migration}), 0)"
            " + (SELECT count(*) FROM {log} WHERE migration = {migration})"
        ).format(epoch=_epoch(migration), item=ITEM, log=LOG, migration=Literal(migration))
    ).fetchone()
    return int(found[0]) if found and found[0] is not None else 0


def _epoch(migration: str) -> Composed:
    return sql.SQL("(SELECT epoch * {} FROM {} WHERE migration = {})").format(
        Literal(EPOCH_STEP), CONTROL, Literal(migration)
    )
