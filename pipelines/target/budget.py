"""A run's capacity, to write or to read: what is sent waits until the table's budget has room for it.

Each table has a bucket that fills at the budget's rate and holds BURST_SECONDS of it. What is sent is taken out before,
by the estimate of `charge`, or of `page_pace`; the answer's ConsumedCapacity then sets it right. A bucket that is full
lets an item pass that is dearer than it can hold, and is paid back before the next.

DynamoDB may act at any time between a request and its answer. So no more is under way at once than UNDER_WAY_SECONDS of
the budget, or one request: what comes late cannot come together with much else. Over any five seconds a table takes at
most five seconds' budget, one twentieth for the bucket and one twentieth for what was under way, or one item more.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ConsumedCapacity.html
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.target.charge import Charge, Tariff
from pipelines.target.failures import THROTTLED
from pipelines.target.wire import Answer, Refusal

BURST_SECONDS = 0.25
UNDER_WAY_SECONDS = 0.25
_SLOWER = 0.8  # at each throttling, a second's throttlings counting once
_SLOWEST = 0.1  # of the budget
_RECOVERY = 0.02  # of the budget, a second
_NOTHING_SECONDS = 1e-6
_ASK = b',"ReturnConsumedCapacity":"TOTAL"}'


class Pace:
    """Of one table. `clock` is monotonic, in seconds."""

    def __init__(self, units_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.burst_units = units_per_second * BURST_SECONDS
        self.under_way_units = units_per_second * UNDER_WAY_SECONDS
        self._rate = units_per_second
        self._clock = clock
        self._level = 0.0  # below zero: owed
        self._share = 1.0  # of the rate, lower after throttling
        self._filled_at = self._slowed_at = clock()

    def seconds_until(self, units: float) -> float:
        """When so much may be sent; 0 for now."""
        self._fill()
        seconds = (min(units, self.burst_units) - self._level) / (self._rate * self._share)
        return seconds if seconds > _NOTHING_SECONDS else 0.0

    def take(self, units: float) -> None:
        self._level -= units

    def settle(self, charged: float, consumed: float) -> None:
        """What was taken for it was too much, or too little."""
        self._level = min(self.burst_units, self._level + charged - consumed)

    def slow_down(self) -> None:
        """DynamoDB has throttled: others write to the table, too, or it has less than was thought."""
        self._fill()
        if self._share == 1.0 or self._filled_at - self._slowed_at >= 1.0:
            self._share = max(_SLOWEST, self._share * _SLOWER)
            self._slowed_at = self._filled_at

    def _fill(self) -> None:
        now = self._clock()
        elapsed, self._filled_at = now - self._filled_at, now
        self._level = min(self.burst_units, self._level + elapsed * self._rate * self._share)
        self._share = min(1.0, self._share + elapsed * _RECOVERY)


class Budget:
    """Of all tables that a process writes or reads."""

    def __init__(
        self, units_per_second: Mapping[str, float], tariffs: Mapping[str, Tariff], clock: Callable[[], float]
    ) -> None:
        self.tariffs = tariffs
        self._paces = {table: Pace(rate, clock) for table, rate in units_per_second.items()}

    def request_units(self, table: str) -> float:
        """No request that could be smaller is to be dearer. Two have room under way."""
        pace = self._paces[table]
        return min(pace.burst_units, pace.under_way_units / 2)

    def seconds_until(self, table: str, charge: Charge, under_way: float = 0) -> float:
        """When it may be sent; 0 for now, infinite before some of what is under way has been answered."""
        pace = self._paces[table]
        if under_way and under_way + charge.total > pace.under_way_units:
            return math.inf
        return pace.seconds_until(charge.total)

    def take(self, table: str, charge: Charge) -> None:
        self._paces[table].take(charge.total)

    def slow_down(self, table: str) -> None:
        self._paces[table].slow_down()

    def give_back(self, table: str, charge: Charge) -> None:
        """DynamoDB says that this was not written."""
        self.correct(table, charge, 0)

    def correct(self, table: str, charge: Charge, consumed: float) -> None:
        """What `charge` was taken for has really consumed this."""
        self._paces[table].settle(charge.total, consumed)

    def settle(self, table: str, charge: Charge, answer: Answer | Refusal) -> None:
        """By the answer, where it tells; else the estimate stands, also for what was refused or got no answer.

        An answer that says less than what the items take in the table alone is not believed: some stand-ins have one
        number for everything.
        """
        pace = self._paces[table]
        if isinstance(answer, Refusal):
            if answer.code in THROTTLED:
                pace.slow_down()
        elif charge.own and not answer.document.get("UnprocessedItems"):  # what is only read is not charged
            consumed = consumed_units(answer.document, table)
            if consumed is not None and consumed >= charge.own:
                pace.settle(charge.total, consumed)


@dataclass(frozen=True)
class Allowance:
    """What a task may use; picklable. `run`: tasks of one run that one process does one after the other share it.
    `units_per_second`: of each table, for this process."""

    run: str
    units_per_second: Mapping[str, float]
    tariffs: Mapping[str, Tariff] = field(default_factory=dict)

    def budget(self) -> Budget:
        """This process's, which goes on from task to task: what one has used, the next has not."""
        key = (self.run, tuple(sorted(self.units_per_second.items())))
        if key not in _BUDGETS:
            _BUDGETS.clear()  # of a run that is over
            _BUDGETS[key] = Budget(self.units_per_second, self.tariffs, time.monotonic)
        return _BUDGETS[key]


_BUDGETS: dict[tuple[str, tuple[tuple[str, float], ...]], Budget] = {}


def asking(body: bytes) -> bytes:
    """A request's body, with the wish to be told what it has consumed."""
    return body[:-1] + _ASK


def consumed_units(document: Mapping[str, Any], table: str) -> float | None:
    """As an answer tells; None where it does not."""
    told = document.get("ConsumedCapacity")
    for one in told if isinstance(told, list) else [told]:
        units = one.get("CapacityUnits") if isinstance(one, dict) and one.get("TableName") == table else None
        if isinstance(units, int | float):
            return float(units)
    return None
