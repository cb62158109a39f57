"""Items that could not be applied yet: read afresh, strongly consistent, and tried again.

Where no item is any more, nothing is to be applied, except where a record has told that a live item was removed
without a tombstone: that it has gone is then all that is left to apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.reverse.apply.image import Image
from pipelines.reverse.apply.waiting import Waiting, count_waiting, due_waiting, forget_waiting
from pipelines.reverse.opened import Opened
from pipelines.reverse.record import image_of
from pipelines.reverse.tally import Tally
from pipelines.source.ledger.names import REVERSE
from pipelines.target.batch_get import MOST_KEYS

_Removed = tuple[int, str | None]
"""The version of a removed item's end, and its owner."""


def try_waiting(opened: Opened, item_types: frozenset[str], tally: Tally, all_is_read: bool = False) -> int:
    """Some of those that are due; how many there were. What is of none of `item_types` waits no more. `all_is_read`: as
    `Applier.apply` has it. Raises StageError, SourceError, TargetError."""
    with opened.session.writing() as connection:
        due = due_waiting(connection, opened.migration, MOST_KEYS)
        removed = _removed(connection, opened.migration, due) if due else {}
    for table, some in groupby(sorted(due, key=lambda one: one.table), key=lambda one: one.table):
        images = _read(opened, item_types, table, [one.key for one in some], removed)
        tally.add(opened.applier.apply(images, all_is_read=all_is_read))
    return len(due)


def try_all(opened: Opened, item_types: frozenset[str], tally: Tally) -> None:
    """Whatever waits, set apart or not, until nothing of it helps any more; all items have been read before. Raises as
    `try_waiting`."""
    before: int | None = None
    while True:
        waiting = count_waiting(opened.connection, opened.migration).waiting
        if not waiting or (before is not None and waiting >= before):
            return
        before = waiting
        with opened.session.writing() as connection:
            connection.execute(
                sql.SQL("UPDATE {} SET due = pg_catalog.clock_timestamp() WHERE migration = %s").format(REVERSE),
                (opened.migration,),
            )
        tried = 0
        while tried < waiting and (some := try_waiting(opened, item_types, tally, all_is_read=True)):
            tried += some


def _read(
    opened: Opened, item_types: frozenset[str], table: str, keys: Sequence[str], removed: dict[str, _Removed]
) -> list[Image]:
    """What is at these keys now. Where nothing is to be applied any more, it is forgotten."""
    wanted = [key for key in keys if opened.item_type(table, key) in item_types]
    found = opened.items.read(table, wanted) if wanted else {}
    images = {
        key: image_of(found[key], table) if key in found else _gone(table, key, removed.get(f"{table} {key}"))
        for key in wanted
    }
    with opened.session.writing() as connection:
        for key in keys:
            if images.get(key) is None:
                forget_waiting(connection, opened.migration, table, key)
    return [image for image in images.values() if image is not None]


def _gone(table: str, key: str, removed: _Removed | None) -> Image | None:
    return None if removed is None else Image(table, key, None, *removed)


def remember_removed(connection: Connection[TupleRow], migration: str, images: Sequence[Image]) -> None:
    """Of live items that were removed, where they wait; in the transaction in which that is noted."""
    for one in images:
        connection.execute(
            sql.SQL(
                "UPDATE {} SET removed = %s, owner = %s WHERE migration = %s AND table_name = %s"
                " AND pg_catalog.hashtextextended(key, 0) = pg_catalog.hashtextextended(%s, 0) AND key = %s"
            ).format(REVERSE),
            (one.version, one.owner, migration, one.table, one.key, one.key),
        )


def _removed(connection: Connection[TupleRow], migration: str, due: Sequence[Waiting]) -> dict[str, _Removed]:
    """By table and key."""
    found = connection.execute(
        sql.SQL(
            "SELECT table_name || ' ' || key, removed, owner FROM {}"
            " WHERE migration = %s AND key = ANY(%s) AND removed IS NOT NULL"
        ).format(REVERSE),
        (migration, [one.key for one in due]),
    )
    return {name: (int(version), owner) for name, version, owner in found}
