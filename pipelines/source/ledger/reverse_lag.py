"""How far the source is behind where DynamoDB is the master, for a verification (docs/verdicts.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.source.ledger.masters import Master, Phase, mastered_by_dynamodb, read_masters
from pipelines.source.ledger.names import REVERSE, REVERSE_RELAY
from pipelines.source.ledger.relays import ALIVE_SECONDS

STREAM_SECONDS = 5.0
"""After so long a write is in its table's stream. DynamoDB promises "near-real time", and gives no figure."""
FOLLOWED_SECONDS = 60.0
"""After so long a reverse relay that is at work follows a table whose group has come to dynamodb_first."""


@dataclass(frozen=True)
class ReverseLag:
    """`item_types`: those whose master DynamoDB is. `seconds`: for so long at most a state of one of them has not been
    applied, what waits included; None where no reverse relay has ever caught up. `resync`: why its streams cannot have
    told everything. `left`: the groups that nothing is applied of, those at dynamodb_only: `seconds` tells nothing of
    them."""

    item_types: frozenset[str]
    seconds: float | None
    resync: str | None
    left: tuple[Master, ...] = ()


def read_reverse_lag(connection: Connection[TupleRow], migration: str) -> ReverseLag | None:
    """None where RDS is the master of everything. Raises psycopg.Error."""
    masters = read_masters(connection, migration)
    item_types = mastered_by_dynamodb(masters)
    if not item_types:
        return None
    found = connection.execute(
        sql.SQL(
            "SELECT extract(epoch FROM pg_catalog.clock_timestamp() - r.caught_up_at)::float8,"
            " extract(epoch FROM pg_catalog.clock_timestamp() - w.since)::float8, r.resync"
            " FROM (SELECT min(since) AS since FROM {} WHERE migration = %s) AS w LEFT JOIN {} AS r ON r.migration = %s"
        ).format(REVERSE, REVERSE_RELAY),
        (migration, migration),
    ).fetchone()
    caught_up, waiting, resync = found or (None, None, None)
    seconds = None if caught_up is None else max(0.0, caught_up, waiting or 0.0)
    left = tuple(one for one in masters if one.phase is Phase.DYNAMODB_ONLY)
    return ReverseLag(item_types, seconds, resync, left)


@dataclass(frozen=True)
class Told:
    """`item_types`: whatever was written of them before the moment is applied, or waits. `soon`: those of which it will
    be so in a moment, for a reverse relay is at work."""

    item_types: frozenset[str] = frozenset()
    soon: frozenset[str] = frozenset()


def read_told(connection: Connection[TupleRow], migration: str, moment: datetime) -> Told:
    """`moment`: by the database's clock. Raises psycopg.Error."""
    followed = [one for one in read_masters(connection, migration) if one.phase is Phase.DYNAMODB_FIRST]
    if not followed:
        return Told()
    found = connection.execute(
        sql.SQL(
            "SELECT caught_up_at - %s * interval '1 second' >= %s, caught_up_at - %s * interval '1 second',"
            " holder IS NOT NULL AND seen_at > pg_catalog.clock_timestamp() - %s * interval '1 second'"
            " FROM {} WHERE migration = %s AND resync IS NULL"
        ).format(REVERSE_RELAY),
        (STREAM_SECONDS, moment, FOLLOWED_SECONDS, ALIVE_SECONDS, migration),
    ).fetchone()
    has_told, since, alive = found or (False, None, False)
    old = [one for one in followed if since is not None and one.changed_at is not None and one.changed_at <= since]
    item_types = frozenset(name for one in old for name in one.item_types)
    if has_told:
        return Told(item_types=item_types)
    return Told(soon=item_types) if alive else Told()


def waiting_keys(connection: Connection[TupleRow], migration: str, table: str, keys: Sequence[str]) -> frozenset[str]:
    """Those whose item could not be applied yet. `keys`: canonical. Raises psycopg.Error."""
    found = connection.execute(
        sql.SQL("SELECT key FROM {} WHERE migration = %s AND table_name = %s AND key = ANY(%s::text[])").format(
            REVERSE
        ),
        (migration, table, list(keys)),
    )
    return frozenset(key for (key,) in found)
