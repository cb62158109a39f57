"""The time by which the ledger's moments are told apart, whatever the clocks of those who write them say."""

from __future__ import annotations

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow


def now(connection: Connection[TupleRow]) -> datetime:
    """The database's time."""
    found = connection.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
    if found is None:
        raise AssertionError("a SELECT without FROM has one row")
    moment: datetime = found[0]
    return moment
