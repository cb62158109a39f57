"""A touch raises an item's version, so that it is delivered again (rules 7, 8a, 13). Repeated, it changes nothing.

It reads no count of log rows, which a fold could move meanwhile: `base = greatest(base, above + 1 - epoch * 2^40)`.
Of an item type whose master DynamoDB is none is made: its versions are DynamoDB's to give.
"""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.source.ledger.item_row import LeftKey, as_json, left_keys_of, merged, statement
from pipelines.source.ledger.masters import is_mastered_by_dynamodb
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.version import read_versions


def touch(session: LedgerSession, item_type: str, source_key: str, above: int) -> None:
    """The item's version is over `above` from now on; nothing is changed where it was already, and is delivered."""
    with session.writing() as connection:
        if is_mastered_by_dynamodb(connection, session.migration, item_type):
            return
        base, keys = _locked(connection, session.migration, item_type, source_key)
        _raise(session, item_type, source_key, base, keys, above)


def ask_to_leave(session: LedgerSession, item_type: str, owner: str, key: str, stored: int, above: int = 0) -> None:
    """Touches the row whose live item, of version `stored`, was met at a key that another row has or has left, over
    its own version, `stored` and `above`; not where it has been asked already."""
    least = max(stored, above)
    with session.writing() as connection:
        if is_mastered_by_dynamodb(connection, session.migration, item_type):
            return
        base, keys = _locked(connection, session.migration, item_type, owner)
        if any(one.key == key and one.left > least for one in keys):
            return
        version = read_versions(connection, session.migration, item_type, [owner])[owner]
        _raise(session, item_type, owner, base, keys, max(version, least), key)


def _locked(
    connection: Connection[TupleRow], migration: str, item_type: str, source_key: str
) -> tuple[int, tuple[LeftKey, ...]]:
    connection.execute(
        "INSERT INTO crossover.item (migration, item_type, source_key) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (migration, item_type, source_key),
    )
    found = connection.execute(
        statement("SELECT i.base, i.keys FROM {wanted} {locked_item}"),
        ([source_key], migration, item_type),
    ).fetchone()
    assert found is not None  # item rows live until the migration's end
    return found[0], left_keys_of(found[1])


def _raise(
    session: LedgerSession,
    item_type: str,
    source_key: str,
    base: int,
    keys: tuple[LeftKey, ...],
    above: int,
    key: str | None = None,
) -> None:
    """`key`: a DynamoDB key that is to be counted as left, so that the delivery puts a tombstone there, or the item
    again if it does have that key."""
    base = max(base, above + 1 - session.first_version)
    version = session.first_version + base
    new = [] if key is None else [LeftKey(key, version)]
    session.connection.execute(
        statement(
            "UPDATE crossover.item i SET base = %s, keys = %s, {undelivered} FROM {wanted}"
            " WHERE {same} AND coalesce(i.delivered, -1) < %s"
        ),
        (base, as_json(merged(keys, new)), [source_key], session.migration, item_type, version),
    )
