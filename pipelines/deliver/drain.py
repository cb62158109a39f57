"""Delivers until nothing is undelivered: marks are expanded, log rows folded, items delivered, pass after pass.

Several drains at once share the work by their leases. One that died leaves leases, which end by themselves. An item
that cannot be delivered is set apart after some tries, with the reason in its row of the ledger; the next drain tries
it again.
"""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from pipelines.deliver.deliverer import Deliverer
from pipelines.deliver.gather import gather, leave
from pipelines.deliver.outcome import Result
from pipelines.errors import TargetError
from pipelines.progress import Progress
from pipelines.source.ledger.mark_delivered import MOST_TRIES
from pipelines.source.ledger.relays import beat
from pipelines.source.ledger.undelivered import Undelivered, open_mark_count, undelivered_after
from pipelines.target.write_verdict import Verdict

BATCH = 100
_PAGE = 5_000
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 2.0
_UNHEARD_BATCHES = 8  # in a row, in which nothing was understood
_TELL_SECONDS = 5.0

_Key = tuple[str, str]


@dataclass(frozen=True)
class SetApart:
    """An item that this drain gives up."""

    item_type: str
    source_key: str
    problem: str


@dataclass(frozen=True)
class Drained:
    """`counts`: of all deliveries, as `Delivered.counts`; an item that was delivered twice counts twice."""

    counts: Counter[str]
    marks: int
    set_apart: tuple[SetApart, ...]


@dataclass
class _Tries:
    """In vain, one after another, of one item."""

    since: float
    count: int = 0


@dataclass
class _Tally:
    counts: Counter[str] = field(default_factory=Counter)
    tries: dict[_Key, _Tries] = field(default_factory=dict)
    set_apart: dict[_Key, str] = field(default_factory=dict)
    marks: int = 0
    unheard: int = 0


class Drain:
    """`pause` is given the seconds to wait before the next pass. `between`: called before each batch; what it raises
    ends the drain. `most_passes`: it ends after so many, whatever is left."""

    def __init__(
        self,
        deliverer: Deliverer,
        item_types: Sequence[str],
        progress: Progress,
        most_tries: int = MOST_TRIES,
        pause: Callable[[float], None] = time.sleep,
        between: Callable[[], None] = lambda: None,
        most_passes: float = math.inf,
    ) -> None:
        self._deliverer = deliverer
        self._item_types = item_types
        self._progress = progress
        self._most_tries = most_tries
        self._pause = pause
        self._between = between
        self._most_passes = most_passes
        self._random = random.Random()  # noqa: S311 - spreads drains, guards nothing
        self._tally = _Tally()
        self._told_at = float("-inf")

    def run(self) -> Drained:
        """Raises TargetError where DynamoDB cannot be understood any more, StageError, SourceError."""
        try:
            return self._run()
        finally:
            leave(self._deliverer)

    def _run(self) -> Drained:
        in_vain = passes = 0
        while True:
            self._between()
            self._gather()
            settled, waiting = self._pass()
            if not settled and not waiting and not open_mark_count(self._deliverer.session, self._item_types):
                return self._drained()
            passes += 1
            if passes >= self._most_passes:
                return self._drained()
            in_vain = 0 if settled else in_vain + 1
            if in_vain:
                longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(in_vain, 10))
                self._pause(self._random.uniform(longest / 2, longest))

    def _gather(self) -> None:
        """And the ledger says when that was so."""
        began = time.monotonic()
        self._tally.marks += gather(self._deliverer)
        if began >= self._told_at + _TELL_SECONDS:
            beat(self._deliverer.session, self._deliverer.lease.holder, time.monotonic() - began)
            self._told_at = began

    def _pass(self) -> tuple[int, int]:
        """Over all that is undelivered once: how many items were settled, how many others are to be seen to again."""
        settled = waiting = 0
        for item_type, batch in self._batches():
            self._between()
            free = [one.source_key for one in batch if not one.leased]
            delivered = self._deliverer.deliver(item_type, free, undelivered_only=True)
            waiting += len(batch) - len(free) + len(delivered.busy)
            self._tally.counts.update(delivered.counts())
            for result in delivered.results:
                settled += result.settled
                waiting += self._note((item_type, result.source_key), result)
            self._progress.advance(sum(one.settled for one in delivered.results))
            self._notice_silence(delivered.results)
        return settled, waiting

    def _batches(self) -> Iterator[tuple[str, list[Undelivered]]]:
        for page in self._pages():
            for item_type, same in groupby(page, key=lambda one: one.item_type):
                wanted = [one for one in same if (item_type, one.source_key) not in self._tally.set_apart]
                self._random.shuffle(wanted)  # two drains at once would come upon the same items
                for start in range(0, len(wanted), BATCH):
                    yield item_type, wanted[start : start + BATCH]

    def _pages(self) -> Iterator[list[Undelivered]]:
        after = ("", "")
        while page := undelivered_after(self._deliverer.session, self._item_types, after, _PAGE):
            yield page
            after = (page[-1].item_type, page[-1].source_key)

    def _note(self, key: _Key, result: Result) -> bool:
        """Whether the item is to be seen to again."""
        if result.settled:
            self._tally.tries.pop(key, None)
            return False
        if not result.final and not self._has_tried_enough(key, result):
            return True
        self._tally.set_apart[key] = result.problem or ""
        return False

    def _has_tried_enough(self, key: _Key, result: Result) -> bool:
        """Where another row must be delivered first, a lease that a dead relay may have on it must have ended, too."""
        if result.raised:
            return False
        now = time.monotonic()
        tries = self._tally.tries.setdefault(key, _Tries(now))
        tries.count += 1
        if tries.count < self._most_tries:
            return False
        return not result.waits or now - tries.since > self._deliverer.lease.seconds

    def _notice_silence(self, results: Sequence[Result]) -> None:
        """One item alone may be the reason itself; it is set apart."""
        verdicts = [verdict for one in results for verdict in one.verdicts]
        if any(verdict is not Verdict.UNKNOWN for verdict in verdicts):
            self._tally.unheard = 0
        elif len(verdicts) > 1:
            self._tally.unheard += 1
        if self._tally.unheard >= _UNHEARD_BATCHES:
            problem = next(one.problem for one in results if one.problem)
            raise TargetError(f"DynamoDB cannot be understood: {problem}; check the endpoint, then run again")

    def _drained(self) -> Drained:
        apart = tuple(SetApart(*key, problem) for key, problem in self._tally.set_apart.items())
        return Drained(self._tally.counts, self._tally.marks, apart)
