"""How far the source is behind where DynamoDB is the master, for a verification (docs/verdicts.md)."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.source.ledger.masters import Master, Phase, mastered_by_dynamodb, read_masters
from pipelines.source.ledger.names import REVERSE, REVERSE_RELAY


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
