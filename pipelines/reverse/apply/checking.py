"""Whether the rows that were written give the item again: by the online assembler, in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.diff.paths import path_differences
from pipelines.mapping.inverse import ItemInverse
from pipelines.mapping.outcome import Absent, Assembled, OnlineItem, Rejected
from pipelines.reverse.apply.work import Work
from pipelines.source.online import read_items

_MOST_PATHS = 5
_WHY = (
    "a trigger, a generated column or another column's precision makes another value of it; "
    "let the trigger stand back where current_setting('crossover.applying', true) is 'on', or correct the item"
)


class ItemCheck:
    """Of one item type. What its copies show is left out, and what the mapping's `compare` accepts."""

    def __init__(self, inverse: ItemInverse) -> None:
        self.item = inverse.item
        compare = inverse.item.compare
        self._equivalences = replace(compare, ignore=compare.ignore | inverse.copies)

    def read(self, connection: Connection[TupleRow], source_keys: Sequence[str]) -> dict[str, OnlineItem]:
        found = read_items(connection, self.item, [json.loads(one) for one in source_keys])
        return {one.source_key: one for one in found}

    def wrong(self, connection: Connection[TupleRow], works: Sequence[Work]) -> Iterator[tuple[Work, str]]:
        """Those whose rows give something else, and what."""
        found = self.read(connection, [work.source_key for work in works])
        for work in works:
            problem = self._problem(work, found[work.source_key])
            if problem is not None:
                yield work, problem

    def are_alike(self, before: OnlineItem, after: OnlineItem) -> bool:
        """Apart from copies."""
        one, other = before.outcome, after.outcome
        if isinstance(one, Assembled) and isinstance(other, Assembled):
            return not self._unlike(one.item, other.item)
        return one == other

    def _problem(self, work: Work, found: OnlineItem) -> str | None:
        outcome, item = found.outcome, work.image.item
        if isinstance(outcome, Rejected):
            place = f" at {outcome.attribute}" if outcome.attribute else ""
            return f"its rows can be no item{place}: {outcome.reason.value} ({outcome.detail})"
        if item is None:
            return None if isinstance(outcome, Absent) else "its row is there again after it was deleted: by a trigger"
        if isinstance(outcome, Absent):
            return "its row is left out by the mapping's `where`, or a trigger keeps it from being written"
        paths = self._unlike(outcome.item, item)
        if not paths:
            return None
        more = f" and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
        return f"its rows give another item at {', '.join(paths[:_MOST_PATHS])}{more}: {_WHY}"

    def _unlike(self, one: str, other: str) -> list[str]:
        if one == other:
            return []
        differences = path_differences(one, other, equivalences=self._equivalences)
        return [difference.path for difference in differences if not difference.accepted_by]
