"""The end of a delivery (rule 9): what was read is delivered, left keys are struck off, leases end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.source.ledger.item_row import LeftKey, as_json, statement
from pipelines.source.ledger.session import LedgerSession


@dataclass(frozen=True)
class Receipt:
    """`version`: the one that was read, where every write is settled, else None. `struck`: the left keys that are done
    with; an entry that has changed since stays. `problem`: what the item's row is to say. `final`: no other try can
    help while the source stays as it is."""

    source_key: str
    version: int | None
    struck: tuple[LeftKey, ...] = ()
    problem: str | None = None
    final: bool = False


MOST_TRIES = 10
"""In vain, one after another: then an item counts as set apart. It is tried again all the same, ever less often."""

_LONGEST_PAUSE_SECONDS = 300

_MARK = statement(
    "UPDATE crossover.item i SET delivered = greatest(i.delivered, k.version),"
    " since = CASE WHEN coalesce(greatest(i.delivered, k.version), -1) >= %s + i.base THEN NULL"
    " WHEN k.version IS NOT NULL THEN pg_catalog.clock_timestamp() ELSE i.since END,"
    " due = CASE WHEN coalesce(greatest(i.delivered, k.version), -1) >= %s + i.base THEN NULL"
    " WHEN i.lease_holder <> %s THEN i.due WHEN k.version IS NOT NULL THEN pg_catalog.clock_timestamp()"
    " ELSE pg_catalog.clock_timestamp() + (0.75 + pg_catalog.random() / 2) * interval '1 second'"
    " * least(%s, 0.1 * 2.0 ^ least(i.attempts, 20)) END,"
    " keys = (SELECT coalesce(pg_catalog.jsonb_agg(e), '[]') FROM pg_catalog.jsonb_array_elements(i.keys) e"
    " WHERE NOT k.struck @> pg_catalog.jsonb_build_array(e)),"
    " attempts = CASE WHEN k.version IS NULL THEN i.attempts + 1 ELSE 0 END, last_error = k.problem,"
    " set_apart = k.version IS NULL AND (k.final OR i.attempts + 1 >= %s),"
    " lease_until = CASE WHEN i.lease_holder = %s THEN NULL ELSE i.lease_until END"
    " FROM (SELECT k.*, i.place FROM unnest(%s::text[], %s::int8[], %s::jsonb[], %s::text[], %s::bool[])"
    " AS k (source_key, version, struck, problem, final) {item}) AS k WHERE i.ctid = k.place"
)


def mark_delivered(
    session: LedgerSession, item_type: str, receipts: Sequence[Receipt], holder: str
) -> dict[str, float]:
    """Returns for how many seconds each item had been undelivered, where that is known. Raises StageError where the
    epoch has ended, SourceError; then nothing is marked."""
    if not receipts:
        return {}
    source_keys = [one.source_key for one in receipts]
    with session.writing() as connection:
        waited = connection.execute(  # in the order in which compaction takes them
            statement(
                "SELECT i.source_key, extract(epoch FROM pg_catalog.clock_timestamp() - i.since)::float8"
                " FROM {wanted} {locked_item}"
            ),
            (sorted(source_keys), session.migration, item_type),
        ).fetchall()
        connection.execute(
            _MARK,
            (
                session.first_version,
                session.first_version,
                holder,
                _LONGEST_PAUSE_SECONDS,
                MOST_TRIES,
                holder,
                source_keys,
                [one.version for one in receipts],
                [as_json(one.struck) for one in receipts],
                [one.problem for one in receipts],
                [one.final for one in receipts],
                session.migration,
                item_type,
            ),
        )
    return {source_key: seconds for source_key, seconds in waited if seconds is not None}
