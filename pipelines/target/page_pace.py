"""How many items of a table are asked for at once, and when, so that scanning it stays within its budget.

A Scan evaluates items until their number reaches Limit, or their sizes 1 MB, and consumes a unit for each 4 KB begun of
the sum where it is strongly consistent, as ours is (eventually consistent half of that). How large items are is known
only once they are read. So a page is taken out of the budget as the last ones were: what is asked for grows to twice as
much at most from one page to the next, and shrinks at once. A page that turns out dearer, of 256 units at most, is paid
back before the next one.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.items.size import item_size
from pipelines.target.budget import Budget, consumed_units
from pipelines.target.charge import Charge
from pipelines.target.failures import THROTTLED
from pipelines.target.wire import Answer, Refusal
from pipelines.warehouse.hold import LOOK_SECONDS, Lookout

UNIT_BYTES = 4096
PAGE_UNITS = 256
_SHRINKS = 0.5  # what an item is believed to be, from one page to the next


class PagePace:
    """Of one segment, by the budget that its process has for the table. `item_bytes`: the size of the table's items on
    an average, None where it is not known. `pause` is given seconds."""

    def __init__(
        self, budget: Budget, table: str, item_bytes: float | None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._budget = budget
        self._table = table
        self._page_units = min(PAGE_UNITS, max(1.0, budget.request_units(table)))
        self._item_bytes = item_bytes or UNIT_BYTES
        self._pause = pause
        self._lookout = Lookout()
        self._charge = Charge()

    def begin(self) -> int:
        """Returns how many items to ask for, once the budget has room for them. Raises LostLockError."""
        limit = max(1, int(self._page_units * UNIT_BYTES / self._item_bytes))
        self._charge = Charge(own=min(PAGE_UNITS, _units(limit * self._item_bytes)))
        while seconds := self._budget.seconds_until(self._table, self._charge):
            self._lookout.look()
            self._pause(min(seconds, LOOK_SECONDS))
        self._budget.take(self._table, self._charge)
        return limit

    def end(self, answer: Answer | Refusal) -> None:
        """By what the answer tells; by what its items take where it tells nothing, or one unit, which is all that some
        stand-ins ever tell. What was refused, or got no answer, stays charged."""
        if isinstance(answer, Refusal):
            if answer.code in THROTTLED:
                self._budget.slow_down(self._table)
            return
        items = answer.document.get("Items") or []
        units = consumed_units(answer.document, self._table) or 0.0
        size = units * UNIT_BYTES
        if units <= 1:
            size = sum(_size(item) for item in items)
            units = _units(size)
        self._budget.correct(self._table, self._charge, units)
        if items:
            self._item_bytes = max(size / len(items), self._item_bytes * _SHRINKS)


def _units(size: float) -> int:
    return max(1, math.ceil(size / UNIT_BYTES))


def _size(item: Mapping[str, Any]) -> int:
    try:
        return item_size(item)
    except (ValueError, TypeError, AttributeError):  # what only a stand-in would keep
        return len(json.dumps(item))
