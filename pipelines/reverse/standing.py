"""What the reverse relay says of itself in the ledger (`crossover.reverse_relay`)."""

from __future__ import annotations

from datetime import datetime

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.source.ledger.names import REVERSE_RELAY


def beat(connection: Connection[TupleRow], migration: str, holder: str, caught_up_at: datetime | None = None) -> None:
    """It lives. `caught_up_at`: all that was written in DynamoDB before is applied, or waits."""
    connection.execute(
        sql.SQL(
            "INSERT INTO {} AS r (migration, holder, seen_at, caught_up_at)"
            " VALUES (%s, %s, pg_catalog.clock_timestamp(), %s)"
            " ON CONFLICT (migration) DO UPDATE SET holder = EXCLUDED.holder, seen_at = EXCLUDED.seen_at,"
            " caught_up_at = greatest(r.caught_up_at, EXCLUDED.caught_up_at)"
        ).format(REVERSE_RELAY),
        (migration, holder, caught_up_at),
    )


def leave(connection: Connection[TupleRow], migration: str, holder: str) -> None:
    """It has ended in good order."""
    connection.execute(
        sql.SQL("UPDATE {} SET holder = NULL WHERE migration = %s AND holder = %s").format(REVERSE_RELAY),
        (migration, holder),
    )


def caught_up_seconds(connection: Connection[TupleRow], migration: str) -> float | None:
    """How long ago it was caught up for the last time; None where it never was."""
    found = connection.execute(
        sql.SQL(
            "SELECT extract(epoch FROM pg_catalog.clock_timestamp() - caught_up_at)::float8 FROM {}"
            " WHERE migration = %s"
        ).format(REVERSE_RELAY),
        (migration,),
    ).fetchone()
    return None if found is None or found[0] is None else float(found[0])


def note_resync(connection: Connection[TupleRow], migration: str, why: str) -> None:
    """The streams cannot tell everything: all items are to be read. The first reason stands, but a later one makes a
    resync that is under way too early."""
    connection.execute(
        sql.SQL(
            "INSERT INTO {} AS r (migration, resync)"
            " VALUES (%s, pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC',"
            " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || ' ' || %s)"
            " ON CONFLICT (migration) DO UPDATE SET resync = EXCLUDED.resync"
        ).format(REVERSE_RELAY),
        (migration, why),
    )


def noted_resync(connection: Connection[TupleRow], migration: str) -> str | None:
    found = connection.execute(
        sql.SQL("SELECT resync FROM {} WHERE migration = %s").format(REVERSE_RELAY), (migration,)
    ).fetchone()
    return None if found is None else found[0]


def resynced(connection: Connection[TupleRow], migration: str, noted: str | None, begun: datetime) -> bool:
    """All items that were there at `begun` have been read. `noted`: what was noted before; a note that came meanwhile
    stands. Whether none does."""
    found = connection.execute(
        sql.SQL(
            "INSERT INTO {} AS r (migration, caught_up_at) VALUES (%s, %s) ON CONFLICT (migration) DO UPDATE SET"
            " caught_up_at = greatest(r.caught_up_at, EXCLUDED.caught_up_at),"
            " resync = CASE WHEN r.resync = %s THEN NULL ELSE r.resync END RETURNING resync"
        ).format(REVERSE_RELAY),
        (migration, begun, noted),
    ).fetchone()
    return found is not None and found[0] is None
