"""Keeps `item.due` and `item.since` what the definition of undelivered says (`undelivered.py`).

Relays find their work by `due`, which has an index; the definition decides. Whatever raises a version sets both. A new
epoch raises all versions at once, and sets nothing: so relays compare all items from time to time.
"""

from __future__ import annotations

from collections import defaultdict

from pipelines.source.ledger.item_row import statement
from pipelines.source.ledger.session import LedgerSession

_MOST_AT_ONCE = 20_000


def announce_left_keys(session: LedgerSession) -> None:
    """Items whose log rows no compaction folds, since they tell a key that was left: they are due, too.

    Those that a claim had folded, and that were delivered, before this came upon their rows are taken back: their rows
    are locked here, so nobody folds any more, and what the log does not tell by now was folded before.
    """
    with session.writing() as connection:
        announced = connection.execute(
            "INSERT INTO crossover.item AS i (migration, item_type, source_key, since, due)"
            " SELECT migration, item_type, source_key, pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp()"
            " FROM (SELECT DISTINCT migration, item_type, source_key FROM crossover.log"
            " WHERE migration = %s AND old IS NOT NULL) AS told ORDER BY item_type, source_key"
            " ON CONFLICT (migration, item_type, pg_catalog.hashtextextended(source_key, 0),"
            " pg_catalog.hashtextextended(source_key, 1)) DO UPDATE SET since = EXCLUDED.since, due = EXCLUDED.due"
            " WHERE i.due IS NULL RETURNING i.item_type, i.source_key",
            (session.migration,),
        ).fetchall()
        if not announced:
            return
        told = connection.execute(
            "SELECT DISTINCT item_type, source_key FROM crossover.log WHERE migration = %s AND old IS NOT NULL",
            (session.migration,),
        ).fetchall()
        folded: defaultdict[str, list[str]] = defaultdict(list)
        for item_type, source_key in {*announced} - {*told}:
            folded[item_type].append(source_key)
        for item_type, source_keys in folded.items():
            connection.execute(
                statement(
                    "UPDATE crossover.item i SET since = NULL, due = NULL"
                    " FROM (SELECT i.place FROM {wanted} {item}) AS k"
                    " WHERE i.ctid = k.place AND coalesce(i.delivered, -1) >= %s + i.base"
                ),
                (source_keys, session.migration, item_type, session.first_version),
            )


def mend_due(session: LedgerSession) -> int:
    """How many items were not as the definition says; reads all of them."""
    mended = 0
    while True:
        with session.writing() as connection:
            found = connection.execute(
                "UPDATE crossover.item i SET"
                " since = CASE WHEN wrong.undelivered THEN coalesce(i.since, pg_catalog.clock_timestamp()) END,"
                " due = CASE WHEN wrong.undelivered THEN coalesce(i.lease_until, pg_catalog.clock_timestamp()) END"
                " FROM (SELECT ctid, undelivered FROM (SELECT ctid, due, lease_until,"
                " coalesce(delivered, -1) < %(first)s + base AS undelivered FROM crossover.item"
                " WHERE migration = %(migration)s) AS one WHERE undelivered <> (due IS NOT NULL)"
                " AND (undelivered OR due < pg_catalog.clock_timestamp()) LIMIT %(most)s) AS wrong"
                " WHERE i.ctid = wrong.ctid AND (coalesce(i.delivered, -1) < %(first)s + i.base) = wrong.undelivered"
                " AND NOT EXISTS (SELECT FROM crossover.log l WHERE l.migration = i.migration"
                " AND l.item_type = i.item_type AND l.source_key = i.source_key)",
                {"migration": session.migration, "first": session.first_version, "most": _MOST_AT_ONCE},
            )
        mended += found.rowcount
        if found.rowcount < _MOST_AT_ONCE:
            return mended
