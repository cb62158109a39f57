"""Tombstones of rows that may have moved to another key.

A row that moves leaves a tombstone at its old key, and its item is at the new one, in another shard: the tombstone can
be read first. Deleted and inserted again, the row would lose what its item does not hold. So where there is such a
column, a tombstone waits until all that was written before it was first seen, and a moment after, has been read. What
the row's key is by now says nothing: a tombstone that is above the ledger's version is newer than that, and the row can
have been at its key in between.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.mapping.capture import root_touch
from pipelines.mapping.inverse import ItemInverse
from pipelines.mapping.outcome import Assembled, OnlineItem
from pipelines.mapping.plan import ItemPlan, walk
from pipelines.reverse.apply.image import Image
from pipelines.reverse.apply.written_tables import WrittenTables

MOVE_SECONDS = 2.0
"""So much of the streams after a tombstone was first seen has to be read before it is applied."""

WAITING = "whether its row has moved to another key; if not, it goes in a moment"


class Moving:
    """Which item types can move and would lose something by it."""

    def __init__(self, inverses: Mapping[str, ItemInverse], known: WrittenTables) -> None:
        self._lose = {name for name, one in inverses.items() if root_touch(one.item).left and _leaves_out(one, known)}

    def asks(self, image: Image, item_type: str) -> bool:
        """Whether `may_have_moved` has to be asked."""
        return image.item is None and item_type in self._lose

    def may_have_moved(self, found: OnlineItem, read_seconds: float) -> bool:
        """`found`: the row as it is; `read_seconds`: see `read_since`."""
        return isinstance(found.outcome, Assembled) and read_seconds < MOVE_SECONDS


def _leaves_out(inverse: ItemInverse, known: WrittenTables) -> bool:
    """Whether a table that it writes has a column that its items do not hold."""
    used = _used(inverse.item)
    return any(
        not column.writes_itself and name not in used.get(str(table.ref), frozenset())
        for table in inverse.tables
        for name, column in known.columns.get(table.ref, {}).items()
    )


def _used(item: ItemPlan) -> dict[str, frozenset[str]]:
    used: dict[str, frozenset[str]] = {}
    for row in walk(item.root):
        used[str(row.table.ref)] = used.get(str(row.table.ref), frozenset()) | frozenset(row.columns)
    return used
