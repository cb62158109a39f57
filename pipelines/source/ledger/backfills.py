"""Backfills and sweeps keep out of each other's way (rule 10), under the control row's lock.

A sweep takes away tombstones, which hold back the older items that a backfill still has to put. So a snapshot carries
the number of sweeps that it saw; a backfill of it begins only if there was none since, and a sweep only if no backfill
is begun and not finished. Neither begins where DynamoDB is the master of a group, or is to become it (rule 15): its
items are newer than the source's, and its tombstones are its own.
"""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.errors import StageError
from pipelines.source.ledger.masters import require_rds_first
from pipelines.source.ledger.session import LedgerSession


def begin_backfill(session: LedgerSession, run: str, sweeps: int) -> None:
    """`sweeps`: as the snapshot saw it. Repeated for the same run, it changes nothing. Runs of before are given up:
    the warehouse's lock lets one run at a time, and only the last can be gone on with. Raises StageError."""
    with session.writing(alone=True) as connection:
        require_rds_first(connection, session.migration, "and a backfill would write to it")
        now = _sweeps(session)
        if now != sweeps:
            raise StageError(f"{session.migration}: tombstones were swept since the snapshot; take a new snapshot")
        connection.execute(
            "UPDATE crossover.backfill SET finished_at = pg_catalog.clock_timestamp()"
            " WHERE migration = %s AND run <> %s AND finished_at IS NULL",
            (session.migration, run),
        )
        connection.execute(
            "INSERT INTO crossover.backfill (migration, run, epoch, sweeps) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (migration, run) DO UPDATE SET finished_at = NULL",
            (session.migration, run, session.epoch, sweeps),
        )


def finish_backfill(session: LedgerSession, run: str) -> None:
    """Finished or given up: nothing of this run will be sent any more."""
    with session.writing() as connection:
        connection.execute(
            "UPDATE crossover.backfill SET finished_at = pg_catalog.clock_timestamp() WHERE migration = %s AND run = %s"
            " AND finished_at IS NULL",
            (session.migration, run),
        )


def open_backfills(connection: Connection[TupleRow], migration: str) -> list[str]:
    """The runs that are begun and not finished, in the caller's transaction."""
    found = connection.execute(
        "SELECT run FROM crossover.backfill WHERE migration = %s AND finished_at IS NULL ORDER BY run", (migration,)
    )
    return [run for (run,) in found]


def begin_sweep(session: LedgerSession, wait_seconds: float) -> int:
    """Returns the time before which a tombstone must have been written to be swept, in seconds since 1970 by the
    database's clock. Backfills of earlier epochs count, too: what they sent may be under way. Raises StageError."""
    with session.writing(alone=True) as connection:
        require_rds_first(connection, session.migration, "and its tombstones are not swept")
        open_run = connection.execute(
            "SELECT run, finished_at IS NULL FROM crossover.backfill WHERE migration = %s AND (finished_at IS NULL"
            " OR finished_at > pg_catalog.clock_timestamp() - %s * interval '1 second') ORDER BY 2 DESC LIMIT 1",
            (session.migration, wait_seconds),
        ).fetchone()
        if open_run is not None:
            why = "is not finished" if open_run[1] else f"ended less than {wait_seconds / 60:.0f} minutes ago"
            raise StageError(f"{session.migration}: backfill {open_run[0]} {why}; sweep later")
        found = connection.execute(
            "UPDATE crossover.control SET sweeps = sweeps + 1 WHERE migration = %s"
            " RETURNING floor(extract(epoch FROM pg_catalog.clock_timestamp()) - %s)::int8",
            (session.migration, wait_seconds),
        ).fetchone()
        assert found is not None  # its row is locked
        return int(found[0])


def _sweeps(session: LedgerSession) -> int:
    found = session.connection.execute(
        "SELECT sweeps FROM crossover.control WHERE migration = %s", (session.migration,)
    ).fetchone()
    assert found is not None  # `writing` has seen it
    return int(found[0])
