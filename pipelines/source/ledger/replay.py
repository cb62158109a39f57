"""Has items delivered once more, whatever was delivered: by what capture would append if they had changed."""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.errors import StageError
from pipelines.source.ledger.masters import read_masters, way_to_rds
from pipelines.source.ledger.session import LedgerSession


def replay_items(session: LedgerSession, item_type: str, source_keys: list[str]) -> None:
    """Raises StageError, also where DynamoDB is the master; SourceError."""
    with session.writing() as connection:
        _require_target(connection, session, item_type)
        connection.execute(
            "INSERT INTO crossover.log (migration, item_type, source_key) SELECT %s, %s, unnest(%s::text[])",
            (session.migration, item_type, source_keys),
        )


def replay_item_type(session: LedgerSession, item_type: str) -> None:
    """All of its rows, and all that the ledger knows of rows that are gone. Raises StageError, SourceError."""
    with session.writing() as connection:
        _require_target(connection, session, item_type)
        connection.execute(
            "INSERT INTO crossover.mark (migration, item_type, path) VALUES (%s, %s, '')",
            (session.migration, item_type),
        )


def _require_target(connection: Connection[TupleRow], session: LedgerSession, item_type: str) -> None:
    for master in read_masters(connection, session.migration):
        if item_type in master.item_types and master.phase.is_dynamodb:
            raise StageError(
                f"{session.migration}: DynamoDB is the master of {item_type}, nothing is delivered to it; "
                f"first run {way_to_rds(master.phase, item_type)}"
            )


def is_known(session: LedgerSession, item_type: str, source_key: str) -> bool:
    """Whether the ledger has ever heard of it."""
    with session.snapshot(()) as connection:
        found = connection.execute(
            "SELECT EXISTS (SELECT FROM crossover.item WHERE migration = %(migration)s AND item_type = %(type)s"
            " AND pg_catalog.hashtextextended(source_key, 0) = pg_catalog.hashtextextended(%(key)s, 0)"
            " AND source_key = %(key)s) OR EXISTS (SELECT FROM crossover.log WHERE migration = %(migration)s"
            " AND item_type = %(type)s AND source_key = %(key)s)",
            {"migration": session.migration, "type": item_type, "key": source_key},
        ).fetchone()
    return found is not None and bool(found[0])
