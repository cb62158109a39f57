"""Threads that deliver what is queued, each over a connection of its own. They are started when there is work, and end,
with their connections, once there was none for a while.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from pipelines.deliver.deliverer import Deliverer
from pipelines.deliver.outcome import Delivered
from pipelines.dualwrite.breaker import Breaker
from pipelines.dualwrite.counts import Tally
from pipelines.dualwrite.notices import Notices
from pipelines.dualwrite.queue import Batch, Queue
from pipelines.dualwrite.waiting import Reason
from pipelines.errors import CrossoverError
from pipelines.target.conditional_write import Sent

IDLE_SECONDS = 300.0
_BUSY_PAUSE_SECONDS = 0.02

_LEFT = {Sent.UNKNOWN: Reason.NO_ANSWER, Sent.NOT_SENT: Reason.NO_ANSWER, Sent.IMPOSSIBLE: Reason.IMPOSSIBLE}

log = logging.getLogger(__name__)

Open = Callable[[], AbstractContextManager[Deliverer]]


class Workers:
    """At most `most` of them. `clock`: the one by which commits wait."""

    def __init__(
        self,
        queue: Queue,
        open: Open,
        most: int,
        breaker: Breaker,
        tally: Tally,
        notices: Notices,
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._open = open
        self._most = most
        self._breaker = breaker
        self._tally = tally
        self._notices = notices
        self._clock = clock
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def more(self, count: int) -> None:
        """As long as there may be more."""
        with self._lock:
            for _ in range(min(count, self._most - len(self._threads))):
                thread = threading.Thread(target=self._work, name="crossover-dualwrite", daemon=True)
                thread.start()
                self._threads.add(thread)

    def join(self, seconds: float) -> None:
        """Until all have ended, at most so long."""
        with self._lock:
            threads = list(self._threads)
        until = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        kept = _Kept(self._open)
        try:
            while (batch := self._queue.take(IDLE_SECONDS)) is not None:
                self._deliver(kept, batch)
        finally:
            kept.drop()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _deliver(self, kept: _Kept, batch: Batch) -> None:
        busy: tuple[str, ...] = ()
        try:
            busy = self._delivered(kept, batch).busy
        except Exception as error:  # of what kind ever: commits wait for this thread
            kept.drop()
            self._breaker.failed(lasting=True)
            self._notices.warn(Reason.FAILED, _told(error))
            for source_key in batch.waiting:
                batch.answered(source_key, Reason.FAILED)
        finally:
            if busy:
                time.sleep(_BUSY_PAUSE_SECONDS)
            self._queue.done(batch, busy)

    def _delivered(self, kept: _Kept, batch: Batch) -> Delivered:
        def on_put(source_key: str, sent: Sent) -> None:
            if sent is Sent.UNKNOWN:
                self._breaker.failed()
            elif batch.is_in_time(source_key, self._clock()):
                self._breaker.succeeded()
            batch.answered(source_key, _LEFT.get(sent))

        delivered = kept.deliver(batch.item_type, list(batch.waiting), on_put)
        self._tally.items(delivered)
        for source_key in delivered.busy:
            batch.held_up(source_key, Reason.BUSY)
        for result in delivered.results:
            batch.answered(result.source_key)  # those of which nothing was to be written
        return delivered


class _Kept:
    """A worker's deliverer, opened when it is needed; of one thread."""

    def __init__(self, open: Open) -> None:
        self._open = open
        self._stack = ExitStack()
        self._deliverer: Deliverer | None = None

    def deliver(self, item_type: str, keys: list[str], on_put: Callable[[str, Sent], None]) -> Delivered:
        """Once more, where the connection, or the epoch, was an old one."""
        is_old = self._deliverer is not None
        try:
            return self._opened().deliver(item_type, keys, on_put=on_put)
        except CrossoverError:
            if not is_old:
                raise
            self.drop()
            return self._opened().deliver(item_type, keys, on_put=on_put)

    def drop(self) -> None:
        self._deliverer = None
        try:
            self._stack.close()
        except Exception as error:
            log.debug("a deliverer could not be closed (%s)", type(error).__name__)

    def _opened(self) -> Deliverer:
        if self._deliverer is None:
            self._deliverer = self._stack.enter_context(self._open())
        return self._deliverer


def _told(error: Exception) -> str:
    """Texts of our own errors have no values in them; of others nobody knows."""
    return str(error) if isinstance(error, CrossoverError) else type(error).__name__
