"""A sample's items, built by the encoder that the relay and repair use, in batches; of each only sizes are kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.assess.estimates.budget import Budget, limit_statements
from pipelines.assess.estimates.roots import SourceKey
from pipelines.assess.estimates.tally import SizeTally
from pipelines.errors import SourceError
from pipelines.mapping.plan import ItemPlan
from pipelines.source.online import read_items
from pipelines.source.server_error import describe

_OUT_OF_TIME = describe("57014")
_FIRST_LEAST, _FIRST_MOST = 5, 50
_MOST = 5_000
_BATCH_SECONDS = 0.5
_BATCH_BYTES = 16 * 1024 * 1024
"""Of items in memory at once."""


@dataclass(frozen=True)
class Built:
    """`rows`: keys that were built, the first ones. `stopped`: why not all, if not for lack of time."""

    rows: int
    stopped: str | None = None


@dataclass
class Pace:
    """How long an item takes, as learnt from all item types so far: so that a first batch is not beyond the time."""

    items: int = 0
    seconds: float = 0.0

    def add(self, items: int, seconds: float) -> None:
        self.items += items
        self.seconds += seconds

    def first(self, budget: Budget) -> int:
        """Items of a first batch, half of what the time allows."""
        if not self.items:
            return _FIRST_LEAST
        possible = budget.left / 2 * self.items / max(self.seconds, 0.001)
        return max(min(int(possible), _FIRST_MOST), _FIRST_LEAST)


def build(
    connection: Connection[TupleRow],
    item: ItemPlan,
    keys: Sequence[SourceKey],
    budget: Budget,
    tally: SizeTally,
    pace: Pace,
) -> Built:
    """As many as the time allows, but one batch at least."""
    done, batch = 0, pace.first(budget)
    while done < len(keys) and (done == 0 or budget.left > 0):
        part, started = keys[done : done + batch], time.monotonic()
        limit_statements(connection, budget)
        failed = _build(connection, item, part, tally)
        if failed is not None:
            return Built(done, None if _OUT_OF_TIME in failed else failed)
        seconds = time.monotonic() - started
        pace.add(len(part), seconds)
        done += len(part)
        batch = _next(len(part), seconds, tally)
    return Built(done)


def _build(connection: Connection[TupleRow], item: ItemPlan, keys: Sequence[SourceKey], tally: SizeTally) -> str | None:
    """What ended it; then nothing of the batch counts."""
    try:
        with connection.transaction():  # a savepoint: what is refused does not end the whole
            found = read_items(connection, item, keys)
    except SourceError as error:
        return str(error)
    for one in found:
        tally.add(one.outcome)
    return None


def _next(batch: int, seconds: float, tally: SizeTally) -> int:
    """As many as take half a second, four times as many at the most, and no more than memory should hold."""
    by_time = batch * _BATCH_SECONDS / max(seconds, 0.001)
    by_memory = _BATCH_BYTES / max(tally.mean_bytes, 1.0)
    return max(min(int(min(by_time, by_memory)), batch * 4, _MOST), 1)
