"""Items that a transaction has touched beside those that it was to write.

A copy of what was written stands in other items: of it nothing is to be told, since the application writes copies
itself. Whatever else was touched was changed by a foreign key that cascades or by a trigger: that must not pass unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.mapping.capture import Log, compile_capture
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.inverse import ItemInverse
from pipelines.mapping.plan import MigrationPlan, RowPlan
from pipelines.reverse.apply.ledger_rows import OwnTouches
from pipelines.reverse.apply.work import Place
from pipelines.source.ledger.marks import OpenMark
from pipelines.source.ledger.reach import roots_of_links


class Outsiders:
    """Made once for a plan."""

    def __init__(self, plan: MigrationPlan, inverses: Mapping[str, ItemInverse]) -> None:
        self._own = {name: {table.ref for table in one.tables} for name, one in inverses.items()}
        self._items = {item.name: item for item in plan.items}
        self._copied: dict[str, set[TableRef]] = {item.name: set() for item in plan.items}
        for capture in compile_capture(plan).tables:
            for effect in capture.effects:
                name = effect.touch.item_type
                if isinstance(effect.touch, Log) and capture.table.ref not in self._own[name]:
                    self._copied[name].add(capture.table.ref)

    def found(
        self,
        connection: Connection[TupleRow],
        touches: OwnTouches,
        written: frozenset[Place],
        tables: frozenset[TableRef],
    ) -> tuple[frozenset[Place], frozenset[Place]]:
        """Those that a copy explains, as `tables` were written, and those that nothing does."""
        others = touches.items - written
        copies = frozenset(place for place in others if self._copied[place[0]] & tables)
        reached = {place for mark in touches.marks for place in self._reached(connection, mark)}
        return copies, (others - copies) | (frozenset(reached) - written)

    def _reached(self, connection: Connection[TupleRow], mark: OpenMark) -> Iterable[Place]:
        if not mark.links:
            return [(mark.item_type, "")]  # a table was emptied
        item, row = self._items[mark.item_type], self._items[mark.item_type].root
        path = mark.path.split(".")
        for name in path:
            row = _embedded(row, name)
            if row.table.ref not in self._own[item.name]:
                return []
        found = connection.execute(roots_of_links(item, path, mark.links))
        return [(item.name, source_key) for (source_key,) in found if source_key is not None]


def _embedded(row: RowPlan, name: str) -> RowPlan:
    return row.embed(name).row


def told(places: Iterable[Place]) -> str:
    """`2 items of order, 1 of invoice`."""
    counts = Counter(item_type for item_type, _ in places)
    return ", ".join(f"{count} of {item_type}" for item_type, count in sorted(counts.items()))
