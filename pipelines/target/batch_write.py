"""The cold writer: BatchWriteItem, many requests under way, every item accounted for.

It overwrites what is there, so it is for tables that were empty when the run began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipelines.target.batch import Batch, unprocessed
from pipelines.target.budget import Budget
from pipelines.target.charge import Charge
from pipelines.target.courier import Courier
from pipelines.target.failures import refusal
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Answer, Refusal, Wire

ACTION = "BatchWriteItem"
IN_FLIGHT = 16
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


@dataclass(frozen=True)
class _Job:
    batch: Batch
    failures: int = 0

    action = ACTION

    @property
    def table(self) -> str:
        return self.batch.table

    @property
    def charge(self) -> Charge:
        return self.batch.charge

    def body(self) -> bytes:
        return self.batch.body()


class BatchWriter:
    """Writes batches through `wire`, from one thread. `seed` fixes the jitter."""

    def __init__(
        self,
        wire: Wire,
        policy: RetryPolicy | None = None,
        in_flight: int = IN_FLIGHT,
        seed: int | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._wire = wire
        self._policy = policy or RetryPolicy()
        self._in_flight = in_flight
        self._seed = seed
        self._budget = budget

    def write(self, batches: Iterable[Batch], on_written: Callable[[int], None] = lambda _: None) -> Written:
        """Every item of the batches, written or failed. `on_written` is told the items of each answer.

        Raises TargetError where going on is useless: no table, no permission, no answer from anybody.
        """
        written, failures = 0, list[Failure]()
        with Courier[_Job](self._wire, self._policy, self._in_flight, self._seed, self._budget) as courier:
            for job, answer in courier.answers(map(_Job, batches)):
                one = self._settle(courier, job, answer)
                written += one.written
                failures += one.failures
                on_written(one.written + len(one.failures))
        return Written(written, tuple(failures))

    def _settle(self, courier: Courier[_Job], job: _Job, answer: Answer | Refusal) -> Written:
        """What is done with that; the rest of the batch goes to the courier again."""
        if isinstance(answer, Answer):
            left = unprocessed(job.batch, answer.document)
            done = len(job.batch.puts) - len(left.puts)
            if not left.puts:
                courier.succeeded()
                return Written(done)
            again = _Job(left, 1 if done else job.failures + 1)
            courier.left_undone(again)
            return Written(done) + self._again(courier, again, _LEFT_UNPROCESSED)
        if answer.passing:
            return self._again(courier, _Job(job.batch, job.failures + 1), answer)
        return self._refused(courier, job.batch, answer)

    def _again(self, courier: Courier[_Job], job: _Job, last: Refusal) -> Written:
        if courier.later(job):
            return Written()
        courier.require_hope(job, last)
        return _failed(job.batch, last)

    def _refused(self, courier: Courier[_Job], batch: Batch, final: Refusal) -> Written:
        """One bad item makes DynamoDB refuse its whole batch: halve it until that one stands alone."""
        if final.code not in _SINGLE_ITEM:
            raise refusal(final.code, ACTION, batch.table, self._wire.endpoint)
        if len(batch.puts) == 1:
            return _failed(batch, final)
        for half in batch.halves():
            courier.at_once(_Job(half))
        return Written()


def _failed(batch: Batch, why: Refusal) -> Written:
    error = f"{why.code}: {why.message}" if why.message else why.code
    return Written(failures=tuple(Failure(batch.table, put.key, error) for put in batch.puts))
