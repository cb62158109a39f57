"""From a commit to the workers, and back once its items are answered or its patience has ended.

Nothing here raises into the application: the commit is made, and what is not delivered by now is undelivered in the
ledger, where the relay finds it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager

from pipelines.dualwrite.breaker import Breaker, Way
from pipelines.dualwrite.counts import Counts, Tally
from pipelines.dualwrite.notices import Notices
from pipelines.dualwrite.opening import Opening
from pipelines.dualwrite.queue import Queue
from pipelines.dualwrite.waiting import Reason, Waiting
from pipelines.dualwrite.workers import Workers
from pipelines.source.ledger.follow import Touched

log = logging.getLogger(__name__)


class Handover:
    """Of one process and one migration; for any number of threads. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        migration: str,
        opening: Opening,
        deadline_seconds: float,
        workers: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._opening = opening
        self._notices = Notices(migration, clock)
        self._breaker = Breaker(clock=clock)
        self._tally = Tally()
        self._queue = Queue()
        self._workers = Workers(
            self._queue, opening.deliverer, workers, self._breaker, self._tally, self._notices, clock
        )
        self._trial: Waiting | None = None
        self._ended = False

    def asks(self) -> bool:
        """Whether a commit is to ask what it has touched; where not, it is counted here."""
        if self._ended or self._breaker.way() is Way.CLOSED:
            self._tally.commit(Reason.ENDED if self._ended else Reason.CLOSED_WAY)
            return False
        return True

    def deliver(self, touched: Touched) -> None:
        """After the commit. Blocks this thread, until the deadline at most."""
        with self._unnoticed():
            waiting = self._handed_over(touched)
            if waiting is not None:
                with self._timed(waiting):
                    wait([waiting.future], self._deadline_seconds)

    async def deliver_async(self, touched: Touched) -> None:
        """As `deliver`, and the event loop goes on meanwhile."""
        with self._unnoticed():
            waiting = self._handed_over(touched)
            if waiting is not None:
                with self._timed(waiting):
                    await asyncio.wait([asyncio.wrap_future(waiting.future)], timeout=self._deadline_seconds)

    def counts(self) -> Counts:
        return self._tally.snapshot()

    def close(self) -> None:
        """What is queued is delivered, until the deadline at most."""
        self._ended = True
        self._queue.end()
        self._workers.join(self._deadline_seconds)
        self._opening.close()

    @contextmanager
    def _unnoticed(self) -> Iterator[None]:
        """What we get wrong is not the application's to handle; its own interrupts are."""
        try:
            yield
        except Exception as error:
            log.error("a commit was not handed over (%s)", type(error).__name__)

    @contextmanager
    def _timed(self, waiting: Waiting) -> Iterator[None]:
        began = self._clock()
        try:
            yield
        finally:
            waiting.give_up()
            self._note(waiting.reason, self._clock() - began)

    def _note(self, left: Reason | None, waited_seconds: float) -> None:
        self._tally.commit(left, waited_seconds)
        if left is Reason.DEADLINE:
            self._breaker.failed()
        if left not in (None, Reason.FAILED):  # of a failure the worker has said more
            self._notices.warn(left, f"a commit was not delivered in full after {waited_seconds:.1f} seconds")

    def _handed_over(self, touched: Touched) -> Waiting | None:
        """What is to be waited for; None where there is nothing."""
        if not touched.is_following:
            self._tally.commit(Reason.NOT_FOLLOWING)
        if not touched.items:
            return None
        is_open = self._breaker.way() is Way.OPEN
        if not is_open and not self._breaker.begins_trial():
            self._tally.commit(Reason.CLOSED_WAY)
            return None
        waiting = self._put(touched)
        if not is_open:
            self._try(waiting)
            return None
        return waiting

    def _put(self, touched: Touched) -> Waiting:
        until = self._clock() + self._deadline_seconds
        waiting = Waiting(touched.items, until, Reason.TOO_MANY if touched.is_cut else None)
        self._workers.more(self._queue.put(waiting, touched.items))
        return waiting

    def _try(self, waiting: Waiting) -> None:
        """Nobody waits for it. The one before is over, or they would pile up while no worker comes to them."""
        trial, self._trial = self._trial, waiting
        if trial is not None:
            trial.give_up()
        self._tally.commit(Reason.CLOSED_WAY)
