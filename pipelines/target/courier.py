"""Keeps requests under way, and those that failed waiting for their turn, until all are answered for good."""

from __future__ import annotations

import heapq
import random
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import count
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from botocore.exceptions import ConnectionError as CannotConnect

from pipelines.target.budget import Budget, asking
from pipelines.target.charge import Charge
from pipelines.target.failures import no_answer, refusal
from pipelines.target.flights import Flights
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Answer, Refusal, Wire
from pipelines.warehouse.hold import Lookout

_GIVE_UP_AFTER = 8  # jobs in a row that used up all their attempts
_LOOK_UP_SECONDS = 0.5  # so soon an interrupt is heeded


class Job(Protocol):
    """One request. `failures`: how often in a row it came back with nothing done. `charge`: what it consumes."""

    @property
    def action(self) -> str: ...
    @property
    def table(self) -> str: ...
    @property
    def failures(self) -> int: ...
    @property
    def charge(self) -> Charge: ...
    def body(self) -> bytes: ...


J = TypeVar("J", bound=Job)


class Courier(Generic[J]):
    """Of one thread; a context manager. Who takes an answer from `answers` may give jobs before taking the next."""

    def __init__(
        self,
        wire: Wire,
        policy: RetryPolicy,
        in_flight: int,
        seed: int | None = None,
        budget: Budget | None = None,
    ) -> None:
        """`seed` fixes the jitter. `budget`: jobs wait until it has room for them, each time that they are sent."""
        self._endpoint = wire.endpoint
        self._policy = policy
        self._flights: Flights[J] = Flights(wire, in_flight)
        self._ready: deque[J] = deque()
        self._waiting: list[tuple[float, int, J]] = []
        self._order = count()
        self._random = random.Random(seed)  # noqa: S311 - spreads retries, guards nothing
        self._exhausted = 0
        self._lookout = Lookout()
        self._budget = budget
        self._held: J | None = None  # the next one, until the budget has room for it
        self._under_way: Counter[str] = Counter()  # units of each table, where there is a budget

    def __enter__(self) -> Courier[J]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flights.__exit__(kind, error, trace)

    def answers(self, jobs: Iterable[J]) -> Iterator[tuple[J, Answer | Refusal]]:
        """Of these jobs, and of those that are given meanwhile; jobs are drawn no faster than they are sent.

        Raises TargetError as Wire.call, and LostLockError where another run has the stage's lock.
        """
        source = iter(jobs)
        while True:
            self._lookout.look()
            self._send_all(source)
            if self._flights:
                landed = self._flights.landed(self._seconds_to_wait())
                if self._budget is not None:
                    self._settle(self._budget, landed)
                yield from landed
            elif self._waiting or self._held is not None:
                time.sleep(self._seconds_to_wait())
            else:
                return

    def at_once(self, job: J) -> None:
        self._ready.append(job)

    def later(self, job: J) -> bool:
        """Sends it after a pause that grows with its failures. False where it has used up its attempts."""
        if job.failures >= self._policy.attempts:
            return False
        pause = self._policy.delay_seconds(job.failures, self._random)
        heapq.heappush(self._waiting, (time.monotonic() + pause, next(self._order), job))
        return True

    def left_undone(self, job: J) -> None:
        """DynamoDB has given it back for want of capacity."""
        if self._budget is not None:
            self._budget.give_back(job.table, job.charge)
        self.slow_down(job)

    def slow_down(self, job: J) -> None:
        """Some of it has met throttling."""
        if self._budget is not None:
            self._budget.slow_down(job.table)

    def succeeded(self) -> None:
        self._exhausted = 0

    def require_hope(self, job: J, last: Refusal) -> None:
        """`job` has used up its attempts. Raises TargetError where going on is useless."""
        self._exhausted += 1
        hopeless = self._exhausted >= _GIVE_UP_AFTER
        if isinstance(last.unheard, CannotConnect) or (hopeless and last.unheard is not None):
            raise no_answer(last.unheard, job.action, self._endpoint)
        if hopeless:
            raise refusal(last.code, job.action, job.table, self._endpoint)

    def _send_all(self, source: Iterator[J]) -> None:
        while self._flights.has_seat:
            job = self._next(source) if self._held is None else self._held
            if job is None:
                return
            if self._budget is None:
                self._flights.send(job.action, job.body(), job)
            elif not self._send_within(self._budget, job):
                return

    def _send_within(self, budget: Budget, job: J) -> bool:
        """False, and the job is held, while there is no room for it."""
        charge = job.charge
        if budget.seconds_until(job.table, charge, self._under_way[job.table]):
            self._held = job
            return False
        self._held = None
        budget.take(job.table, charge)
        self._under_way[job.table] += charge.total
        self._flights.send(job.action, asking(job.body()), job)
        return True

    def _settle(self, budget: Budget, landed: Iterable[tuple[J, Answer | Refusal]]) -> None:
        for job, answer in landed:
            charge = job.charge
            self._under_way[job.table] -= charge.total
            budget.settle(job.table, charge, answer)

    def _next(self, source: Iterator[J]) -> J | None:
        if self._waiting and self._waiting[0][0] <= time.monotonic():
            return heapq.heappop(self._waiting)[2]
        return self._ready.popleft() if self._ready else next(source, None)

    def _seconds_to_wait(self) -> float:
        if self._held is not None and self._budget is not None:
            under_way = self._under_way[self._held.table]
            wait = self._budget.seconds_until(self._held.table, self._held.charge, under_way)
        elif self._waiting:
            wait = self._waiting[0][0] - time.monotonic()
        else:
            return _LOOK_UP_SECONDS
        return min(_LOOK_UP_SECONDS, max(0.001, wait))
