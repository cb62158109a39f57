"""A touch of many items at once, of those alone that have not changed since they were judged (rule 13).

What an item's version is to be is fixed before, so that it can be noted before: it is that version afterwards, or the
item was not touched. Where log rows wait to be folded, the touch of rule 13 would add them to it; these are told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from pipelines.source.ledger.item_row import LeftKey, as_json, left_keys_of, merged, statement
from pipelines.source.ledger.masters import is_mastered_by_dynamodb
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.version import read_versions


@dataclass(frozen=True)
class Raise:
    """`version`: the one that was judged; `raised`: above it, and above what the target has. `keys`: DynamoDB keys that
    are to be counted as left, as of `touch`."""

    source_key: str
    version: int
    raised: int
    keys: tuple[str, ...] = ()


class Touched(Enum):
    RAISED = auto()  # by this call, or by an earlier one that asked for the same
    UNFOLDED = auto()  # log rows wait; a claim folds them
    MOVED = auto()  # its version is another one by now


def touch_unmoved(session: LedgerSession, item_type: str, wanted: Iterable[Raise]) -> dict[str, Touched]:
    """By source key, of which each is asked for once; in one transaction. Where DynamoDB is their master by now they
    count as moved. Raises StageError, SourceError."""
    by_key = {one.source_key: one for one in wanted}
    source_keys = sorted(by_key)  # as compaction and claims take them, so that no two sessions wait for each other
    with session.writing() as connection:
        if is_mastered_by_dynamodb(connection, session.migration, item_type):
            return dict.fromkeys(source_keys, Touched.MOVED)
        connection.execute(
            statement(
                "INSERT INTO crossover.item (migration, item_type, source_key)"
                ' SELECT %s, %s, k.source_key FROM {wanted} ORDER BY k.source_key COLLATE "C" ON CONFLICT DO NOTHING'
            ),
            (session.migration, item_type, source_keys),
        )
        rows = connection.execute(
            statement("SELECT i.source_key, i.base, i.keys FROM {wanted} {locked_item}"),
            (source_keys, session.migration, item_type),
        ).fetchall()
        versions = read_versions(connection, session.migration, item_type, source_keys)
        bases = {key: session.first_version + base for key, base, _ in rows}
        touched = {key: _touched(by_key[key], versions[key], bases[key]) for key in source_keys}
        kept = {key: left_keys_of(keys) for key, _, keys in rows if touched[key] is Touched.RAISED}
        _raise(session, item_type, [(by_key[key], left) for key, left in kept.items()])
    return touched


def _touched(wanted: Raise, version: int, without_log: int) -> Touched:
    if version not in (wanted.version, wanted.raised):
        return Touched.MOVED
    return Touched.RAISED if version == without_log else Touched.UNFOLDED


def _raise(session: LedgerSession, item_type: str, wanted: Sequence[tuple[Raise, tuple[LeftKey, ...]]]) -> None:
    keys = [as_json(merged(kept, (LeftKey(key, one.raised) for key in one.keys))) for one, kept in wanted]
    session.connection.execute(
        statement(
            "UPDATE crossover.item i SET base = k.base, keys = k.keys, {undelivered}"
            " FROM (SELECT k.*, i.place FROM unnest(%s::text[], %s::int8[], %s::jsonb[]) AS k (source_key, base, keys)"
            " {item}) AS k WHERE i.ctid = k.place"
        ),
        (
            [one.source_key for one, _ in wanted],
            [one.raised - session.first_version for one, _ in wanted],
            keys,
            session.migration,
            item_type,
        ),
    )
