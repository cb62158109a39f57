"""Items that are to be delivered, in the order in which their commits came.

An item is delivered by one worker at a time: a second would find its lease taken. What is asked for meanwhile is
delivered after it, once, for all who ask: a delivery reads the item as it is by then.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipelines.dualwrite.waiting import Key, Reason, Waiting

BATCH = 100
"""Items that share a claim and a reading."""


@dataclass(frozen=True)
class Batch:
    """Items of one type, with those who wait for each."""

    item_type: str
    waiting: dict[str, list[Waiting]]

    def answered(self, source_key: str, left: Reason | None = None) -> None:
        """`left`: as of `Waiting.answered`."""
        for one in self.waiting[source_key]:
            one.answered((self.item_type, source_key), left)

    def held_up(self, source_key: str, reason: Reason) -> None:
        for one in self.waiting[source_key]:
            one.held_up((self.item_type, source_key), reason)

    def is_in_time(self, source_key: str, now: float) -> bool:
        """Whether somebody is better off for an answer that comes now."""
        return any(now < one.until for one in self.waiting[source_key])

    def keys(self) -> list[Key]:
        return [(self.item_type, source_key) for source_key in self.waiting]


class Queue:
    """Of several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wanted: dict[Key, list[Waiting]] = {}
        self._under_way: set[Key] = set()
        self._takers = 0
        self._ended = False

    def put(self, waiting: Waiting, keys: Collection[Key]) -> int:
        """How many workers are missing, so that those of each type are taken at once."""
        with self._changed:
            for key in keys:
                self._wanted.setdefault(key, []).append(waiting)
            self._changed.notify_all()
            return max(0, len({item_type for item_type, _ in self._wanted}) - self._takers)

    def take(self, seconds: float) -> Batch | None:
        """None after so many seconds without work, or where there will be none any more."""
        with self._changed:
            self._takers += 1
            try:
                self._changed.wait_for(lambda: self._ended or self._free(), seconds)
            finally:
                self._takers -= 1
            free = self._free()
            return self._taken(free) if free else None

    def done(self, batch: Batch, busy: Collection[str] = ()) -> None:
        """`busy`: those are to be tried again, as long as somebody waits."""
        with self._changed:
            self._under_way.difference_update(batch.keys())
            for source_key in busy:
                key = batch.item_type, source_key
                self._wanted.setdefault(key, []).extend(batch.waiting[source_key])
            self._changed.notify_all()

    def end(self) -> None:
        """Workers take what is there, and then nothing more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _free(self) -> list[Key]:
        """What somebody waits for and nobody delivers, in order."""
        for key in [key for key, waiting in self._wanted.items() if all(one.is_over for one in waiting)]:
            del self._wanted[key]
        return [key for key in self._wanted if key not in self._under_way]

    def _taken(self, free: Sequence[Key]) -> Batch:
        """As many as one delivery takes, of the first one's type."""
        item_type = free[0][0]
        keys = [key for key in free if key[0] == item_type][:BATCH]
        self._under_way.update(keys)
        return Batch(item_type, {key[1]: self._wanted.pop(key) for key in keys})
