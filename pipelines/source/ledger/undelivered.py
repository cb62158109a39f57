"""What is undelivered. One definition: with an item row, `delivered` below the version; without one, a log row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.source.ledger.session import LedgerSession

_UNDELIVERED = sql.SQL(
    "SELECT i.item_type, i.source_key, coalesce(i.lease_until > pg_catalog.clock_timestamp(), false) AS leased,"
    " i.attempts, i.last_error, i.set_apart FROM crossover.item i"
    " WHERE i.migration = %(migration)s{} AND coalesce(i.delivered, -1) < %(first)s + i.base"
    " UNION ALL SELECT l.item_type, l.source_key, coalesce(i.lease_until > pg_catalog.clock_timestamp(), false),"
    " coalesce(i.attempts, 0), i.last_error, coalesce(i.set_apart, false) FROM crossover.log l"
    " LEFT JOIN crossover.item i"
    " ON i.migration = l.migration AND i.item_type = l.item_type"
    " AND pg_catalog.hashtextextended(i.source_key, 0) = pg_catalog.hashtextextended(l.source_key, 0)"
    " AND pg_catalog.hashtextextended(i.source_key, 1) = pg_catalog.hashtextextended(l.source_key, 1)"
    " AND i.source_key = l.source_key WHERE l.migration = %(migration)s"
)
_ALL = _UNDELIVERED.format(sql.SQL(""))
_DUE = _UNDELIVERED.format(sql.SQL(" AND i.due IS NOT NULL"))


@dataclass(frozen=True)
class Undelivered:
    item_type: str
    source_key: str
    leased: bool


@dataclass(frozen=True)
class Rest:
    """Of some item types: undelivered items, open marks, items under a lease, whether delivered or not."""

    undelivered: int
    marks: int
    leased: int

    def __bool__(self) -> bool:
        return bool(self.undelivered or self.marks or self.leased)


@dataclass(frozen=True)
class Backlog:
    """Of one item type, in items. `failing`: undelivered, and tried in vain; `set_apart`: those of them that were
    tried many times, or that no other try can help. `rejected`: rows that cannot be items."""

    item_type: str
    undelivered: int
    leased: int
    failing: int
    set_apart: int
    rejected: int
    errors: tuple[str, ...]


def undelivered_after(
    session: LedgerSession, item_types: Sequence[str], after: tuple[str, str], most: int
) -> list[Undelivered]:
    """The next, in order of item type and source key, that come after this one; not of item types whose master
    DynamoDB is."""
    with session.snapshot(()) as connection:
        found = connection.execute(
            sql.SQL(
                "SELECT u.item_type, u.source_key, bool_or(u.leased) FROM ({}) AS u"
                " WHERE u.item_type = ANY (%(types)s::text[])"
                " AND u.item_type <> ALL (ARRAY(SELECT unnest(m.item_types) FROM crossover.master m"
                " WHERE m.migration = %(migration)s AND m.phase <> 'rds_first'))"
                ' AND (u.item_type COLLATE "C", u.source_key COLLATE "C") > (%(type)s, %(key)s)'
                ' GROUP BY u.item_type, u.source_key ORDER BY u.item_type COLLATE "C", u.source_key COLLATE "C"'
                " LIMIT %(most)s"
            ).format(_ALL),
            {
                "migration": session.migration,
                "first": session.first_version,
                "types": list(item_types),
                "type": after[0],
                "key": after[1],
                "most": most,
            },
        ).fetchall()
    return [Undelivered(*row) for row in found]


def backlog(session: LedgerSession, item_types: Sequence[str], by_due: bool = False) -> list[Backlog]:
    """Of every item type, in the order given. `by_due`: as relays find them, by an index; else by the definition, for
    which all items are read."""
    with session.snapshot(()) as connection:
        waiting = connection.execute(
            sql.SQL(
                "SELECT u.item_type, count(DISTINCT u.source_key),"
                " count(DISTINCT u.source_key) FILTER (WHERE u.leased),"
                " count(DISTINCT u.source_key) FILTER (WHERE u.attempts > 0),"
                " count(DISTINCT u.source_key) FILTER (WHERE u.set_apart),"
                " coalesce(array_agg(DISTINCT u.last_error) FILTER (WHERE u.attempts > 0 AND u.last_error IS NOT NULL),"
                " '{{}}') FROM ({}) AS u GROUP BY u.item_type"
            ).format(_DUE if by_due else _ALL),
            {"migration": session.migration, "first": session.first_version},
        ).fetchall()
        rejected = connection.execute(
            "SELECT item_type, count(*) FROM crossover.item i WHERE migration = %s AND attempts = 0"
            " AND last_error IS NOT NULL AND delivered >= %s + base GROUP BY item_type",
            (session.migration, session.first_version),
        ).fetchall()
    counts = {row[0]: row[1:] for row in waiting}
    rejects = {item_type: int(count) for item_type, count in rejected}
    return [_backlog(one, counts.get(one, (0, 0, 0, 0, [])), rejects.get(one, 0)) for one in item_types]


def _backlog(item_type: str, counts: tuple[int, int, int, int, list[str]], rejected: int) -> Backlog:
    undelivered, leased, failing, set_apart, errors = counts
    return Backlog(item_type, undelivered, leased, failing, set_apart, rejected, tuple(errors))


def open_mark_count(session: LedgerSession, item_types: Sequence[str] | None = None) -> int:
    """Of these item types, or of all."""
    with session.snapshot(()) as connection:
        found = connection.execute(
            "SELECT count(*) FROM crossover.mark WHERE migration = %(migration)s"
            " AND (%(types)s::text[] IS NULL OR item_type = ANY (%(types)s::text[]))",
            {"migration": session.migration, "types": None if item_types is None else list(item_types)},
        )
        return int((found.fetchone() or (0,))[0])


def rest(connection: Connection[TupleRow], session: LedgerSession, item_types: Sequence[str]) -> Rest:
    """In the caller's transaction. Reads all items."""
    found = connection.execute(
        sql.SQL(
            "SELECT (SELECT count(DISTINCT (u.item_type, u.source_key)) FROM ({}) AS u"
            " WHERE u.item_type = ANY (%(types)s::text[])),"
            " (SELECT count(*) FROM crossover.mark WHERE migration = %(migration)s"
            " AND item_type = ANY (%(types)s::text[])),"
            " (SELECT count(*) FROM crossover.item WHERE migration = %(migration)s"
            " AND item_type = ANY (%(types)s::text[]) AND lease_until > pg_catalog.clock_timestamp())"
        ).format(_ALL),
        {"migration": session.migration, "first": session.first_version, "types": list(item_types)},
    ).fetchone()
    assert found is not None  # counts always are
    return Rest(*found)
