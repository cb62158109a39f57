"""The cold writer: BatchWriteItem, a few requests in flight, every item accounted for.

It overwrites what is there, so it is for tables that were empty when the run began.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from botocore.exceptions import ConnectionError as CannotConnect

from pipelines.aws import origin
from pipelines.errors import TargetError
from pipelines.target.batch import Batch, unprocessed
from pipelines.target.failures import no_answer, refusal
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Answer, Refusal, Wire

ACTION = "BatchWriteItem"
IN_FLIGHT = 4
_GIVE_UP_AFTER = 8  # batches in a row that used up all their attempts
_LEFT_UNPROCESSED = Refusal("UnprocessedItems", "returned unprocessed each time", passing=True)
_SINGLE_ITEM = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException"})


@dataclass(frozen=True)
class Failure:
    """An item that was not written. `error` is DynamoDB's code and message."""

    table: str
    key: str
    error: str


@dataclass(frozen=True)
class Written:
    """`written + len(failures)` is the number of items that went in."""

    written: int = 0
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: Written) -> Written:
        return Written(self.written + other.written, self.failures + other.failures)


class BatchWriter:
    """Writes batches through `wire`, once. `seed` fixes the jitter."""

    def __init__(
        self,
        wire: Wire,
        policy: RetryPolicy | None = None,
        in_flight: int = IN_FLIGHT,
        seed: int | None = None,
    ) -> None:
        self._wire = wire
        self._policy = policy or RetryPolicy()
        self._in_flight = in_flight
        self._random = random.Random(seed)  # noqa: S311 - spreads retries, guards nothing
        self._exhausted = 0  # batches in a row
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def write(self, batches: Iterable[Batch], on_written: Callable[[int], None] = lambda _: None) -> Written:
        """Every item of the batches, written or failed. `on_written` is told the items of each finished batch.

        Raises TargetError where going on is useless: no table, no permission, no answer from anybody.
        """
        total = Written()
        with ThreadPoolExecutor(self._in_flight, thread_name_prefix="batch-write") as pool:
            try:
                for one in self._finished(pool, batches):
                    total += one
                    on_written(one.written + len(one.failures))
            except BaseException:
                self._stopped.set()
                raise
        return total

    def _finished(self, pool: ThreadPoolExecutor, batches: Iterable[Batch]) -> Iterator[Written]:
        """Keeps `in_flight` requests under way and no more batches than those in memory."""
        pending: set[Future[Written]] = set()
        for batch in batches:
            pending.add(pool.submit(self._write_batch, batch))
            if len(pending) >= self._in_flight:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        for future in pending:
            yield future.result()

    def _write_batch(self, batch: Batch) -> Written:
        """One batch until all of it is written, refused for good, or has used up its attempts."""
        written = 0
        in_vain = 0
        while True:
            answer = self._wire.call(ACTION, batch.body())
            if isinstance(answer, Answer):
                left = unprocessed(batch, answer.document)
                done = len(batch.puts) - len(left.puts)
                written, batch = written + done, left
                if not batch.puts:
                    self._succeeded()
                    return Written(written)
                in_vain = 0 if done else in_vain
                answer = _LEFT_UNPROCESSED
            if not answer.passing:
                return Written(written) + self._refused(batch, answer)
            in_vain += 1
            if in_vain >= self._policy.attempts:
                return Written(written) + self._used_up(batch, answer)
            self._pause(self._policy.delay_seconds(in_vain, self._random))

    def _refused(self, batch: Batch, final: Refusal) -> Written:
        """One bad item makes DynamoDB refuse its whole batch: halve it until that one stands alone."""
        if final.code not in _SINGLE_ITEM:
            raise refusal(final.code, ACTION, batch.table, self._wire.endpoint)
        if len(batch.puts) == 1:
            return _failed(batch, final)
        first, second = batch.halves()
        return self._write_batch(first) + self._write_batch(second)

    def _used_up(self, batch: Batch, last: Refusal) -> Written:
        with self._lock:
            self._exhausted += 1
            hopeless = self._exhausted >= _GIVE_UP_AFTER
        if isinstance(last.unheard, CannotConnect) or (hopeless and last.unheard is not None):
            raise no_answer(last.unheard, ACTION, self._wire.endpoint)
        if hopeless:
            raise refusal(last.code, ACTION, batch.table, self._wire.endpoint)
        return _failed(batch, last)

    def _succeeded(self) -> None:
        with self._lock:
            self._exhausted = 0

    def _pause(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise TargetError(f"{origin(self._wire.endpoint)}: stopped")


def _failed(batch: Batch, why: Refusal) -> Written:
    error = f"{why.code}: {why.message}" if why.message else why.code
    return Written(failures=tuple(Failure(batch.table, put.key, error) for put in batch.puts))
