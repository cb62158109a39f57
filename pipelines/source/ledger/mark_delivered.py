"""The end of a delivery (rule 9): what was read is delivered, left keys are struck off, leases end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.source.ledger.item_row import LeftKey, as_json, statement
from pipelines.source.ledger.session import LedgerSession


@dataclass(frozen=True)
class Receipt:
    """`version`: the one that was read, where every write is settled, else None. `struck`: the left keys that are done
    with; an entry that has changed since stays. `problem`: what the item's row is to say."""

    source_key: str
    version: int | None
    struck: tuple[LeftKey, ...] = ()
    problem: str | None = None


def mark_delivered(session: LedgerSession, item_type: str, receipts: Sequence[Receipt], holder: str) -> None:
    """Raises StageError where the epoch has ended, SourceError; then nothing is marked."""
    if not receipts:
        return
    source_keys = [one.source_key for one in receipts]
    with session.writing() as connection:
        connection.execute(  # in the order in which compaction takes them
            statement("SELECT FROM crossover.item i JOIN {wanted} ON {same} ORDER BY i.source_key FOR UPDATE OF i"),
            (source_keys, session.migration, item_type),
        )
        connection.execute(
            statement(
                "UPDATE crossover.item i SET"
                " delivered = greatest(i.delivered, k.version),"
                " keys = (SELECT coalesce(pg_catalog.jsonb_agg(e), '[]') FROM pg_catalog.jsonb_array_elements(i.keys) e"
                " WHERE NOT k.struck @> pg_catalog.jsonb_build_array(e)),"
                " attempts = CASE WHEN k.version IS NULL THEN i.attempts + 1 ELSE 0 END, last_error = k.problem,"
                " lease_until = CASE WHEN i.lease_holder = %s THEN NULL ELSE i.lease_until END"
                " FROM unnest(%s::text[], %s::int8[], %s::jsonb[], %s::text[])"
                " AS k (source_key, version, struck, problem)"
                " WHERE {same}"
            ),
            (
                holder,
                source_keys,
                [one.version for one in receipts],
                [as_json(one.struck) for one in receipts],
                [one.problem for one in receipts],
                session.migration,
                item_type,
            ),
        )
