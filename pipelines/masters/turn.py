"""One write of an application: which store's turn it is, asked as often as needed, until the write's deadline."""

from __future__ import annotations

import random as randomness
from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.errors import CrossoverError
from pipelines.masters.lease import Known, Leases
from pipelines.masters.refusals import ConflictError, WriteFencedError
from pipelines.masters.standing import Standing
from pipelines.source.ledger.masters import Phase
from pipelines.target.retry import RetryPolicy

_PAUSES = RetryPolicy(first_delay_seconds=0.05, longest_delay_seconds=1.0)
_CONFLICTS = RetryPolicy(first_delay_seconds=0.01, longest_delay_seconds=0.5)


class MasterMovedError(CrossoverError):
    """RDS became the master while DynamoDB was written. `Masters.write` answers it; it leaves no write."""

    code = "master_moved"


@dataclass(frozen=True)
class Waiting:
    """How a process waits. `clock` is monotonic, in seconds."""

    deadline_seconds: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    random: randomness.Random


@dataclass
class Turn:
    """Of one write, of one thread. `what` names it in messages. `guesses`: what was never read is RDS's, where
    PostgreSQL itself refuses what must not be written; without it RDS's turn must have been read, too."""

    leases: Leases
    group: str
    what: str
    waiting: Waiting
    guesses: bool = True
    written: int = 0
    conflicts: int = 0
    _until: float = field(init=False)
    _after: float | None = field(init=False, default=None)
    _refused: bool = field(init=False, default=False)
    _pauses: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._until = self.waiting.clock() + self.waiting.deadline_seconds

    @property
    def is_over(self) -> bool:
        return self.waiting.clock() >= self._until

    def phase(self) -> Phase:
        """The master's phase, once there is one. Raises WriteFencedError."""
        while True:
            known = self._asked()
            standing = self._standing(known)
            if standing.is_rds:
                if not self._refused and (self.guesses or self.leases.in_force(known)):
                    return standing.phase
                self._refused = False  # the mirror is not there yet, or the guard is still there: ask once more
            elif standing.is_dynamodb and self.leases.in_force(known):
                self._refused = False
                return standing.phase
            self.pause(standing)

    def hold(self) -> Standing:
        """Before each request to DynamoDB, which may be sent now. Raises WriteFencedError; MasterMovedError."""
        while True:
            known = self._asked()
            standing = self._standing(known)
            if self.leases.in_force(known):
                if standing.is_dynamodb:
                    return standing
                if standing.is_rds:
                    raise MasterMovedError(f"{self.what}: RDS became the master before it was written to DynamoDB")
            self.pause(standing)

    def refused(self) -> None:
        """PostgreSQL has just refused it: what was asked for before now does not count."""
        self._refused, self._after = True, self.waiting.clock()

    def pause(self, standing: Standing | None = None) -> None:
        """A little longer each time. `standing`: what is waited for to change, so it is asked for again. Raises
        WriteFencedError at the deadline."""
        if self.is_over:
            raise WriteFencedError(
                f"{self.what}: not written within {self.waiting.deadline_seconds:g} seconds: {self._why(standing)}"
            )
        self._pauses += 1
        delay = _PAUSES.delay_seconds(self._pauses, self.waiting.random)
        self.waiting.sleep(min(delay, max(0.0, self._until - self.waiting.clock())))
        if standing is not None:
            self._after = self.waiting.clock()

    def give_way(self, conflicts: int) -> None:
        """Before the next attempt, after so many at which somebody else was quicker. Raises ConflictError at the
        deadline."""
        if self.is_over:
            raise ConflictError(f"{self.what}: somebody else was quicker each time, until the deadline")
        self.waiting.sleep(_CONFLICTS.delay_seconds(conflicts, self.waiting.random))

    def _asked(self) -> Known | None:
        return self.leases.known(self.group, self._after, insist=self._pauses > 0)

    def _standing(self, known: Known | None) -> Standing:
        return Standing() if known is None else known.standings[self.group]

    def _why(self, standing: Standing | None) -> str:
        group = f"group {self.group}"
        if standing is None:
            return "DynamoDB gave no answer, or it was throttled; try again"
        if standing.problem:
            return f"{group}: {standing.problem}; `crossover writes` shows it"
        if standing.fenced:
            return f"a switch of {group} is under way; `crossover writes` shows it"
        if self.leases.failure:
            return f"which store is the master of {group} cannot be read: {self.leases.failure}"
        return f"PostgreSQL refuses it (XV001), though the master of {group} is {standing.phase}; run the switch again"
