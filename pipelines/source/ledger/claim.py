"""A claim (rule 9): a lease on items, and the fold of their log rows, in one transaction. Of items that are named,
or of those that have been due for longest.

Not of item types whose master DynamoDB is (rule 15): nothing is delivered to a master. The control row's lock, which a
change of master takes alone, keeps that true until the claim is committed.

The fold deletes log rows, adds their number to `base` and the keys that they tell of to `keys`: no snapshot sees one
without the other. Rows that a compaction holds are left to it: they count all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.mapping.plan import ItemPlan
from pipelines.source.ledger.item_row import LeftKey, as_json, left_keys_of, log_rows, merged, statement
from pipelines.source.ledger.left_keys import left_keys
from pipelines.source.ledger.names import LOG
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.version import read_versions


@dataclass(frozen=True)
class Lease:
    """`holder` is unlike for each relay."""

    holder: str
    seconds: float


@dataclass(frozen=True)
class _Held:
    """`delivered`: the version, -1 where none was."""

    source_key: str
    keys: tuple[LeftKey, ...]
    delivered: int


@dataclass(frozen=True)
class _Gone:
    """A log row that was folded."""

    source_key: str
    old: str | None


def claim(
    session: LedgerSession,
    item: ItemPlan,
    source_keys: Sequence[str],
    lease: Lease,
    undelivered_only: bool = False,
    unless_paused: bool = False,
) -> list[str]:
    """Those that are ours now, in order of the keys; the others are another relay's, or busy, or not wanted.

    Raises StageError, as `LedgerSession.writing`; SourceError.
    """
    with session.writing(unless_paused=unless_paused):
        held = _take(session, item.name, sorted(set(source_keys)), undelivered_only)
        _lease(session, item, held, lease)
    return [one.source_key for one in held]


def claim_due(session: LedgerSession, items: Sequence[ItemPlan], lease: Lease, most: int) -> dict[str, list[str]]:
    """By item type, at most so many in all; nobody waits for another relay that claims at the same time.

    Found by `due` and in no other way (`|| ''` keeps PostgreSQL from the other index, by which it would read the whole
    table as long as nobody has analysed it).

    Raises StageError, SourceError.
    """
    with session.writing() as connection:
        found = connection.execute(
            "SELECT i.item_type, i.source_key, i.keys, coalesce(i.delivered, -1) FROM crossover.item i"
            " WHERE i.due IS NOT NULL AND i.due <= pg_catalog.now()"
            " AND i.migration || '' = %(migration)s AND i.item_type || '' = ANY (%(types)s::text[])"
            " AND i.item_type <> ALL (ARRAY(SELECT unnest(m.item_types) FROM crossover.master m"
            " WHERE m.migration = %(migration)s AND m.phase <> 'rds_first'))"
            " AND (i.lease_until IS NULL OR i.lease_until < pg_catalog.clock_timestamp())"
            " AND (coalesce(i.delivered, -1) < %(first)s + i.base OR EXISTS (SELECT FROM crossover.log l"
            " WHERE l.migration = i.migration AND l.item_type = i.item_type AND l.source_key = i.source_key))"
            " ORDER BY i.due LIMIT %(most)s FOR UPDATE OF i SKIP LOCKED",
            {
                "migration": session.migration,
                "first": session.first_version,
                "types": [item.name for item in items],
                "most": most,
            },
        ).fetchall()
        held: dict[str, list[_Held]] = {}
        for item_type, source_key, keys, delivered in found:
            held.setdefault(item_type, []).append(_Held(source_key, left_keys_of(keys), delivered))
        for item in items:
            if item.name in held:
                _lease(session, item, held[item.name], lease)
    return {item_type: [one.source_key for one in some] for item_type, some in held.items()}


def _lease(session: LedgerSession, item: ItemPlan, held: Sequence[_Held], lease: Lease) -> None:
    gone = _fold(session.connection, session.migration, item.name, [one.source_key for one in held])
    _keep(session, item, held, gone, lease)


def _take(session: LedgerSession, item_type: str, source_keys: list[str], undelivered_only: bool) -> list[_Held]:
    """Rows in the order of their keys, as compaction takes them: so no two sessions wait for each other."""
    connection, migration = session.connection, session.migration
    connection.execute(
        statement(
            "INSERT INTO crossover.item (migration, item_type, source_key)"
            " SELECT %s, %s, k.source_key FROM {wanted} WHERE {unmastered}"
            ' ORDER BY k.source_key COLLATE "C" ON CONFLICT DO NOTHING'
        ),
        (migration, item_type, source_keys, migration, item_type),
    )
    logged = []  # where all are wanted, the log need not be read
    if undelivered_only:
        logged = connection.execute(log_rows("DISTINCT l.source_key", migration, item_type, source_keys)).fetchall()
    found = connection.execute(
        statement(
            "SELECT i.source_key, i.keys, coalesce(i.delivered, -1) FROM {wanted}"
            " CROSS JOIN LATERAL (SELECT i.source_key, i.keys, i.delivered"
            " FROM crossover.item i WHERE {same} AND {unmastered}"
            " AND (i.lease_until IS NULL OR i.lease_until < pg_catalog.clock_timestamp())"
            " AND (NOT %s OR coalesce(i.delivered, -1) < %s + i.base OR i.source_key = ANY (%s::text[]))"
            " LIMIT 1 FOR UPDATE OF i SKIP LOCKED) AS i"
        ),
        (
            *(source_keys, migration, item_type, migration, item_type),
            *(undelivered_only, session.first_version, [key for (key,) in logged]),
        ),
    )
    return [_Held(source_key, left_keys_of(keys), delivered) for source_key, keys, delivered in found]


def _fold(connection: Connection[TupleRow], migration: str, item_type: str, source_keys: list[str]) -> list[_Gone]:
    found = connection.execute(
        sql.SQL(
            "DELETE FROM {} WHERE ctid = ANY (ARRAY({} FOR UPDATE OF l SKIP LOCKED)) RETURNING source_key, old::text"
        ).format(LOG, log_rows("l.ctid", migration, item_type, source_keys))
    )
    return [_Gone(source_key, old) for source_key, old in found]


def _keep(session: LedgerSession, item: ItemPlan, held: Sequence[_Held], gone: Sequence[_Gone], lease: Lease) -> None:
    source_keys = [one.source_key for one in held]
    rows = dict.fromkeys(source_keys, 0)
    for one in gone:
        rows[one.source_key] += 1
    left = _left(session.connection, session.migration, item, held, gone, rows)
    keys = [as_json(merged(one.keys, left.get(one.source_key, ()))) for one in held]
    session.connection.execute(
        statement(
            "UPDATE crossover.item i SET base = i.base + k.rows, keys = k.keys,"
            " lease_holder = %s, lease_until = l.until,"
            " since = CASE WHEN coalesce(i.delivered, -1) < %s + i.base + k.rows"
            " THEN coalesce(i.since, pg_catalog.clock_timestamp()) END,"
            " due = CASE WHEN coalesce(i.delivered, -1) < %s + i.base + k.rows THEN l.until END"
            " FROM (SELECT k.rows, k.keys, i.place FROM unnest(%s::text[], %s::int8[], %s::jsonb[])"
            " AS k (source_key, rows, keys) {item}) AS k,"
            " (SELECT pg_catalog.clock_timestamp() + %s * interval '1 second' AS until) AS l WHERE i.ctid = k.place"
        ),
        (
            lease.holder,
            session.first_version,
            session.first_version,
            source_keys,
            list(rows.values()),
            keys,
            session.migration,
            item.name,
            lease.seconds,
        ),
    )


def _left(
    connection: Connection[TupleRow],
    migration: str,
    item: ItemPlan,
    held: Sequence[_Held],
    gone: Sequence[_Gone],
    rows: dict[str, int],
) -> dict[str, list[LeftKey]]:
    """At the version that the item has when all that is visible is counted: never below that of the leaving. Where that
    is delivered, whoever did it has read these rows, and put the tombstones that they ask for."""
    told = [(one.source_key, one.old) for one in gone if one.old is not None]
    if not told:
        return {}
    uncounted = read_versions(connection, migration, item.name, [source_key for source_key, _ in told])
    delivered = {one.source_key: one.delivered for one in held}
    found: dict[str, list[LeftKey]] = {}
    for (source_key, _), key in zip(told, left_keys(connection, item, [old for _, old in told]), strict=True):
        left = uncounted[source_key] + rows[source_key]
        if key is not None and left > delivered[source_key]:
            found.setdefault(source_key, []).append(LeftKey(key, left))
    return found
