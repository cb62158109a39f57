"""How far the source is behind DynamoDB where that is the master, as the reverse relay says in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.source.ledger.names import REVERSE, REVERSE_RELAY
from pipelines.source.ledger.relays import ALIVE_SECONDS


@dataclass(frozen=True)
class ReverseHealth:
    """`lag_seconds`: all that was written in DynamoDB before is applied or waits; None where no reverse relay has ever
    caught up. `waiting`: keys whose item could not be applied yet; `set_apart` are among them, and no other try helps
    as long as item and source stay as they are. `resync`: why the streams cannot have told everything, None where they
    have. `running`: a reverse relay has been heard of in the last half minute."""

    lag_seconds: float | None
    waiting: int
    set_apart: int
    resync: str | None
    running: bool

    @property
    def is_in_step(self) -> bool:
        """Whether nothing waits and nothing can be missing. How much lag is too much is the caller's to say."""
        return self.lag_seconds is not None and not self.waiting and self.resync is None


NEVER = ReverseHealth(None, 0, 0, None, running=False)
"""No reverse relay has ever run."""


def read_reverse_health(connection: Connection[TupleRow], migration: str) -> ReverseHealth:
    """In one statement. NEVER, too, where an earlier Crossover made the ledger. Raises psycopg.Error."""
    there = connection.execute(
        "SELECT pg_catalog.to_regclass(%s) IS NOT NULL", (REVERSE_RELAY.as_string(connection),)
    ).fetchone()
    if there is None or not there[0]:
        return NEVER
    found = connection.execute(
        sql.SQL(
            "SELECT extract(epoch FROM pg_catalog.clock_timestamp() - r.caught_up_at)::float8, w.waiting,"
            " w.set_apart, r.resync, coalesce(r.holder IS NOT NULL"
            " AND r.seen_at > pg_catalog.clock_timestamp() - %s * interval '1 second', false)"
            " FROM (SELECT pg_catalog.count(*) AS waiting, pg_catalog.count(*) FILTER (WHERE set_apart) AS set_apart"
            " FROM {} WHERE migration = %s) AS w LEFT JOIN {} AS r ON r.migration = %s"
        ).format(REVERSE, REVERSE_RELAY),
        (ALIVE_SECONDS, migration, migration),
    ).fetchone()
    if found is None:
        return NEVER
    lag, waiting, set_apart, resync, running = found
    lag = None if lag is None else max(0.0, lag)  # SQL's greatest would make 0 of NULL
    return ReverseHealth(lag, int(waiting), int(set_apart), resync, bool(running))


def waiting_problems(connection: Connection[TupleRow], migration: str, most: int = 5) -> tuple[tuple[str, int], ...]:
    """Why items wait, and how many for that reason; the most frequent reasons. Raises psycopg.Error."""
    found = connection.execute(
        sql.SQL(
            "SELECT coalesce(last_error, 'not tried yet'), pg_catalog.count(*) FROM {} WHERE migration = %s"
            " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s"
        ).format(REVERSE),
        (migration, most),
    )
    return tuple((str(problem), int(count)) for problem, count in found)
