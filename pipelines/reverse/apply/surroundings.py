"""Whether a transaction has left alone all items beside those that it was to write.

Where triggers or foreign keys can set more going, an item that a copy explains may have been changed itself, too: then
its content is compared, and the transaction is tried once more for that, since it shows only what comes after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.mapping.catalog import TableRef
from pipelines.mapping.outcome import OnlineItem
from pipelines.reverse.apply.checking import ItemCheck
from pipelines.reverse.apply.failure import ItemsFailed
from pipelines.reverse.apply.ledger_rows import OwnTouches
from pipelines.reverse.apply.outsiders import Outsiders, told
from pipelines.reverse.apply.work import Place
from pipelines.reverse.apply.written_tables import WrittenTables


class WatchThese(Exception):  # noqa: N818 (a step in applying)
    """These items were touched, and it has to be seen whether they have changed: once more, with them watched."""

    def __init__(self, places: frozenset[Place]) -> None:
        super().__init__()
        self.places = places


@dataclass(frozen=True)
class Surroundings:
    """`checks`: by item type."""

    outsiders: Outsiders
    known: WrittenTables
    checks: Mapping[str, ItemCheck]

    def read(self, connection: Connection[TupleRow], places: frozenset[Place]) -> dict[Place, OnlineItem]:
        found: dict[Place, OnlineItem] = {}
        for item_type, keys in _by_item_type(places).items():
            online = self.checks[item_type].read(connection, keys)
            found |= {(item_type, key): one for key, one in online.items()}
        return found

    def require_untouched(
        self,
        connection: Connection[TupleRow],
        touches: OwnTouches,
        written: frozenset[Place],
        tables: frozenset[TableRef],
        before: Mapping[Place, OnlineItem],
    ) -> None:
        """`written`, `tables`: what was to be written; `before`: what was watched. Raises ItemsFailed, WatchThese."""
        copies, others = self.outsiders.found(connection, touches, written, tables)
        if copies and self.known.sets_going(tables):
            if not copies <= before.keys():
                raise WatchThese(copies)
            after = self.read(connection, copies)
            others |= {place for place in copies if not self.checks[place[0]].are_alike(before[place], after[place])}
        if others:
            raise ItemsFailed(
                f"writing its rows changes {told(others)}, by a foreign key that cascades or by a trigger; "
                "it waits until their own items say so"
            )


def _by_item_type(places: frozenset[Place]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for item_type, source_key in sorted(places):
        found[item_type].append(source_key)
    return found
