"""How far the target is behind: what is undelivered, for how long, and who is at work on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.source.ledger.relays import SeenRelay, seen_relays
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.undelivered import Backlog, backlog, open_mark_count


@dataclass(frozen=True)
class Health:
    """`oldest_seconds`: as the function of that name."""

    epoch: int
    item_types: tuple[Backlog, ...]
    marks: int
    oldest_seconds: float
    paused: bool
    relays: tuple[SeenRelay, ...]

    @property
    def undelivered(self) -> int:
        return sum(one.undelivered for one in self.item_types)


def read_health(session: LedgerSession, item_types: Sequence[str], by_due: bool = False) -> Health:
    """`by_due`: as `backlog` takes it. Raises StageError, SourceError."""
    marks, oldest = open_mark_count(session), oldest_seconds(session, item_types)
    return Health(
        session.epoch,
        tuple(backlog(session, item_types, by_due)),
        marks,
        oldest,
        is_paused(session),
        seen_relays(session),
    )


def is_paused(session: LedgerSession) -> bool:
    with session.snapshot(()) as connection:
        found = connection.execute("SELECT paused FROM crossover.control WHERE migration = %s", (session.migration,))
        return bool((found.fetchone() or (False,))[0])


def set_paused(session: LedgerSession, paused: bool) -> None:
    """Relays deliver nothing while it is; the ledger goes on."""
    with session.writing(alone=True) as connection:
        connection.execute("UPDATE crossover.control SET paused = %s WHERE migration = %s", (paused, session.migration))


def oldest_seconds(session: LedgerSession, item_types: Sequence[str]) -> float:
    """For how long at most the oldest change has been undelivered; 0 where all is delivered.

    A log row or a mark has no time of its own: it came after the last moment at which a relay had seen them all.
    Raises StageError, SourceError.
    """
    with session.snapshot(()) as connection:
        found = connection.execute(
            "SELECT extract(epoch FROM pg_catalog.clock_timestamp() - least("
            " (SELECT min(since) FROM crossover.item WHERE migration = %(migration)s AND due IS NOT NULL"
            " AND item_type = ANY (%(types)s::text[]) AND coalesce(delivered, -1) < %(first)s + base),"
            " (SELECT coalesce((SELECT max(gathered_at) FROM crossover.relay WHERE migration = %(migration)s"
            " AND gathered_at >= c.on_at), c.on_at) FROM crossover.control c WHERE c.migration = %(migration)s"
            " AND (EXISTS (SELECT FROM crossover.log WHERE migration = %(migration)s)"
            " OR EXISTS (SELECT FROM crossover.mark WHERE migration = %(migration)s)))))::float8",
            {"migration": session.migration, "first": session.first_version, "types": list(item_types)},
        ).fetchone()
    return max(0.0, found[0]) if found is not None and found[0] is not None else 0.0
