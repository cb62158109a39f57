"""Whether DynamoDB holds what the source holds, by some rows of each item type: what has never been backfilled is not
undelivered, since the ledger has not heard of it. A look, no proof: that is a verification."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from pipelines.deliver.reading import read, tables_of
from pipelines.judging.opened import opened_judge
from pipelines.judging.suspect import Suspect
from pipelines.judging.verdict import Verdict
from pipelines.mapping.outcome import Assembled
from pipelines.mapping.plan import ItemPlan
from pipelines.migration import Migration
from pipelines.source.ledger.reach import all_roots
from pipelines.source.ledger.session import LedgerSession

LOOKED_AT = 100
"""Rows of an item type."""
_LACKING = frozenset({Verdict.MISSING, Verdict.STALE, Verdict.AHEAD, Verdict.FOREIGN})
"""Where the versions differ, or there is none. What differs in content alone is a verification's to find."""


def not_there(migration: Migration, url: str, session: LedgerSession, items: Iterable[ItemPlan]) -> list[str]:
    """A line for each item type of whose first rows some are not in DynamoDB as the ledger has them, though nothing is
    undelivered of them. Writers may be at work. Raises StageError, SourceError, TargetError."""
    lines = []
    with opened_judge(migration, url) as judge:
        for item in items:
            suspects = _some(session, item)
            lacking = sum(one.verdict in _LACKING for one in judge.judge(item.name, suspects))
            if lacking:
                lines.append(
                    f"of {len(suspects)} rows of {item.name} that were looked at, {lacking} are not in DynamoDB as the "
                    "ledger has them; backfill and verify first"
                )
    return lines


def _some(session: LedgerSession, item: ItemPlan) -> list[Suspect]:
    with session.snapshot(tables_of(item)) as connection:
        some = sql.SQL("SELECT source_key FROM ({}) AS r WHERE source_key IS NOT NULL LIMIT {}")
        found = connection.execute(some.format(all_roots(item), sql.Literal(LOOKED_AT)))
        source_keys = [key for (key,) in found]
    return [
        Suspect(item.name, item.table, reading.outcome.key, reading.source_key)
        for reading in read(session, item, source_keys)
        if isinstance(reading.outcome, Assembled)
    ]
