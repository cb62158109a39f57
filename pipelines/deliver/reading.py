"""Items with their versions and the keys that they have left, all from one snapshot (rule 6)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.mapping.capture import root_touch
from pipelines.mapping.catalog import Relation, TableRef
from pipelines.mapping.outcome import Absent, OnlineItem, Outcome
from pipelines.mapping.plan import ItemPlan, MigrationPlan, walk
from pipelines.source.ledger.item_row import LeftKey, keys_kept, merged, olds_in_log
from pipelines.source.ledger.left_keys import left_keys
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.version import read_versions
from pipelines.source.online import read_items

_LOCKABLE = frozenset({Relation.TABLE, Relation.PARTITIONED})


@dataclass(frozen=True)
class Reading:
    """`kept`: what the item's row in the ledger says of left keys; `left`: these and those that are only in the log,
    or follow from the source key. `at`: the database's time, in seconds since 1970."""

    source_key: str
    version: int
    outcome: Outcome
    kept: tuple[LeftKey, ...]
    left: tuple[LeftKey, ...]
    at: int


def read(session: LedgerSession, item: ItemPlan, source_keys: Sequence[str]) -> list[Reading]:
    """In the order asked for. Raises StageError, SourceError.

    The ledger keeps source keys of other columns, which the root's key once had. No row has one of them any more, and
    the DynamoDB keys that it had left can be those of rows under their new source keys: nothing is asked for them.
    """
    columns = {key: json.loads(key) for key in source_keys}
    named = [key for key in source_keys if columns[key].keys() == set(item.source_key)]
    with session.snapshot(tables_of(item)) as connection:
        versions = read_versions(connection, session.migration, item.name, source_keys)
        kept = keys_kept(connection, session.migration, item.name, source_keys)
        found = read_items(connection, item, [columns[key] for key in named])
        told = _told(connection, session.migration, item, found)
        at = _time(connection)
    outcomes = {key: one.outcome for key, one in zip(named, found, strict=True)}
    left = {key: [LeftKey(one, versions[key]) for one in told.get(key, ())] for key in named}
    return [
        Reading(
            key,
            versions[key],
            outcomes.get(key, Absent()),
            kept.get(key, ()),
            merged(kept.get(key, ()), left[key]) if key in left else (),
            at,
        )
        for key in source_keys
    ]


def tables_of(item: ItemPlan) -> list[TableRef]:
    """Those that can be locked: not materialized views, nor foreign tables."""
    return list(dict.fromkeys(row.table.ref for row in walk(item.root) if row.table.relation in _LOCKABLE))


def all_tables(plan: MigrationPlan) -> list[TableRef]:
    return list(dict.fromkeys(ref for item in plan.items for ref in tables_of(item)))


def _told(
    connection: Connection[TupleRow], migration: str, item: ItemPlan, found: Sequence[OnlineItem]
) -> dict[str, list[str]]:
    """Left keys that `item` rows do not have: of log rows that came after the claim; and, where the key is made of the
    source key alone, the key of a row that is gone."""
    if root_touch(item).left:
        olds = olds_in_log(connection, migration, item.name, [one.source_key for one in found])
    else:
        olds = [(one.source_key, one.source_key) for one in found if isinstance(one.outcome, Absent)]
    return _by_source_key(olds, left_keys(connection, item, [old for _, old in olds]) if olds else [])


def _by_source_key(olds: Iterable[tuple[str, str]], keys: Iterable[str | None]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for (source_key, _), key in zip(olds, keys, strict=True):
        if key is not None:
            told.setdefault(source_key, []).append(key)
    return told


def _time(connection: Connection[TupleRow]) -> int:
    found = connection.execute("SELECT floor(extract(epoch FROM pg_catalog.clock_timestamp()))::int8").fetchone()
    return int((found or (0,))[0])
