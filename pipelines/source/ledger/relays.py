"""What relays say of themselves in the ledger: that they live, and when they last had seen all of the log."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.source.ledger.session import LedgerSession

ALIVE_SECONDS = 30.0
"""Who has not been heard of for so long has died."""
_KEPT_DAYS = 1


@dataclass(frozen=True)
class SeenRelay:
    """A relay that is at work. Ages in seconds, by the database's clock."""

    holder: str
    running_seconds: float
    unheard_seconds: float


def beat(session: LedgerSession, holder: str, gathered_seconds_ago: float | None = None) -> None:
    """The relay lives. `gathered_seconds_ago`: every log row that was visible then is folded."""
    with session.writing() as connection:
        connection.execute(
            "INSERT INTO crossover.relay AS r (migration, holder, gathered_at)"
            " VALUES (%s, %s, pg_catalog.clock_timestamp() - %s * interval '1 second')"
            " ON CONFLICT (migration, holder) DO UPDATE SET seen_at = EXCLUDED.seen_at, ended_at = NULL,"
            " gathered_at = coalesce(EXCLUDED.gathered_at, r.gathered_at)",
            (session.migration, holder, gathered_seconds_ago),
        )


def end_relay(session: LedgerSession, holder: str) -> None:
    """It has ended in good order; those that ended long ago are forgotten."""
    with session.writing() as connection:
        connection.execute(
            "UPDATE crossover.relay SET ended_at = pg_catalog.clock_timestamp() WHERE migration = %s AND holder = %s",
            (session.migration, holder),
        )
        connection.execute(
            "DELETE FROM crossover.relay WHERE migration = %s"
            " AND seen_at < pg_catalog.clock_timestamp() - %s * interval '1 day'",
            (session.migration, _KEPT_DAYS),
        )


def seen_relays(session: LedgerSession) -> tuple[SeenRelay, ...]:
    """Those that are at work, the oldest first."""
    with session.snapshot(()) as connection:
        found = connection.execute(
            "SELECT holder, extract(epoch FROM pg_catalog.clock_timestamp() - started_at)::float8,"
            " extract(epoch FROM pg_catalog.clock_timestamp() - seen_at)::float8 FROM crossover.relay"
            " WHERE migration = %s AND ended_at IS NULL"
            " AND seen_at > pg_catalog.clock_timestamp() - %s * interval '1 second' ORDER BY started_at",
            (session.migration, ALIVE_SECONDS),
        ).fetchall()
    return tuple(SeenRelay(*row) for row in found)
