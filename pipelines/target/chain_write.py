"""Conditional writes (rule 7), many under way at once from one thread; those of one chain one after another.

A chain is what one item asks for: its put, then tombstones at the keys that it has left. In order: while a row moves,
its item stands at two keys rather than at none. Where it is not known whether a write was made nothing follows; where
it was refused the rest is written all the same.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from pipelines.target.conditional_write import GET, PUT, Answered, Sent, Write, looked_up, understood
from pipelines.target.failures import THROTTLED
from pipelines.target.flights import Flights
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Answer, Refusal, Wire

IN_FLIGHT = 32
_LONGEST_WAIT_SECONDS = 0.5
_LEASE_ENDED = "the lease ended"

OnFirst = Callable[[int, Sent], None]
"""Told of a chain, by its place, what its first write has come to, as soon as that is known."""


@dataclass
class _Chain:
    """`untold`: the next write was refused, and what is there is being looked up. `failures`: in a row, of the next."""

    place: int
    writes: Sequence[Write]
    answers: list[Answered] = field(default_factory=list)
    untold: bool = False
    failures: int = 0

    @property
    def next(self) -> Write:
        return self.writes[len(self.answers)]

    @property
    def is_over(self) -> bool:
        ended = bool(self.answers) and self.answers[-1].sent in (Sent.UNKNOWN, Sent.NOT_SENT)
        return ended or len(self.answers) == len(self.writes)

    def request(self) -> tuple[str, bytes]:
        return (GET, self.next.lookup()) if self.untold else (PUT, self.next.body())


class ChainWriter:
    """Of one thread; a context manager. `clock` is monotonic, in seconds; deadlines are by it."""

    def __init__(
        self,
        wire: Wire,
        policy: RetryPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self._flights: Flights[_Chain] = Flights(wire, in_flight)
        self._endpoint = wire.endpoint
        self._policy = policy or RetryPolicy(attempts=8, longest_delay_seconds=2.0)
        self._clock = clock
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing

    def __enter__(self) -> ChainWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flights.__exit__(kind, error, trace)

    def write(
        self, chains: Sequence[Sequence[Write]], deadline: float, on_first: OnFirst | None = None
    ) -> list[list[Answered]]:
        """The answers to each chain's writes, as far as it came. Sends nothing after the deadline, and nothing again
        whose fate is not known.

        Raises TargetError where no item can be written: no table, no permission; what was under way may have been
        done.
        """
        running = _Round(chains, on_first)
        try:
            while running.is_at_work or self._flights:
                self._send(running, deadline)
                for chain, answer in self._landed(running):
                    self._take(running, chain, answer)
        finally:
            self._flights.drop()
        return [chain.answers for chain in running.chains]

    def _send(self, running: _Round, deadline: float) -> None:
        while self._flights.has_seat and (chain := running.next(self._clock())) is not None:
            if self._clock() < deadline:
                self._flights.send(*chain.request(), chain)
            else:
                running.answer(chain, Answered(chain.next, Sent.NOT_SENT, code=_LEASE_ENDED))

    def _landed(self, running: _Round) -> list[tuple[_Chain, Answer | Refusal]]:
        seconds = running.seconds_to_wait(self._clock())
        if self._flights:
            return self._flights.landed(seconds)
        if running.is_at_work:
            time.sleep(seconds)
        return []

    def _take(self, running: _Round, chain: _Chain, answer: Answer | Refusal) -> None:
        write = chain.next
        if chain.untold:
            running.answer(chain, looked_up(write, answer, self._endpoint))
        elif not (isinstance(answer, Refusal) and answer.code in THROTTLED):
            answered = understood(write, answer, self._endpoint)
            if answered.is_untold:
                running.look_up(chain)
            else:
                running.answer(chain, answered)
        elif chain.failures + 1 == self._policy.attempts:
            running.answer(chain, Answered(write, Sent.NOT_SENT, code=answer.code))
        else:
            chain.failures += 1
            running.later(chain, self._clock() + self._policy.delay_seconds(chain.failures, self._random))


class _Round:
    """Chains that are to be sent: at once, or later."""

    def __init__(self, chains: Sequence[Sequence[Write]], on_first: OnFirst | None) -> None:
        self.chains = [_Chain(place, writes) for place, writes in enumerate(chains)]
        self._on_first = on_first
        self._ready = deque(chain for chain in self.chains if chain.writes)
        self._later: list[tuple[float, int]] = []

    @property
    def is_at_work(self) -> bool:
        return bool(self._ready or self._later)

    def next(self, now: float) -> _Chain | None:
        while self._later and self._later[0][0] <= now:
            self._ready.append(self.chains[heapq.heappop(self._later)[1]])
        return self._ready.popleft() if self._ready else None

    def seconds_to_wait(self, now: float) -> float:
        """Until something can be sent that could not be by now."""
        soonest = self._later[0][0] - now if self._later else _LONGEST_WAIT_SECONDS
        return min(_LONGEST_WAIT_SECONDS, max(0.001, soonest))

    def later(self, chain: _Chain, at: float) -> None:
        heapq.heappush(self._later, (at, chain.place))

    def look_up(self, chain: _Chain) -> None:
        chain.untold = True
        self._ready.appendleft(chain)

    def answer(self, chain: _Chain, answered: Answered) -> None:
        chain.answers.append(answered)
        chain.untold, chain.failures = False, 0
        if len(chain.answers) == 1 and self._on_first is not None:
            self._on_first(chain.place, answered.sent)
        if not chain.is_over:
            self._ready.append(chain)
