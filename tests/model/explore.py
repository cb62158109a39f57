"""Breadth-first search through every state that a scenario can reach, and the story of how a wrong one came about."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")
Step = tuple[str, S]
Successors = Callable[[S], Iterable[Step[S]]]
Complaint = Callable[[S], str | None]
Regress = Callable[[S, S], str | None]


@dataclass(frozen=True)
class Counterexample:
    """The shortest way to a wrong state: what happened, in order, and what is wrong at its end."""

    steps: tuple[str, ...]
    wrong: str

    def __str__(self) -> str:
        numbered = [f"{number:3}. {step}" for number, step in enumerate(self.steps, 1)]
        return "\n".join([*numbered, f"  => {self.wrong}"])


@dataclass(frozen=True)
class Explored:
    """`states`: how many were seen. `counterexample`: None where all of them are right. `finished`: there are no
    others; False where the search gave up at its limit."""

    states: int
    counterexample: Counterexample | None
    finished: bool = True


class Search(Generic[S]):
    """Remembers for each state the one that it was first reached from."""

    def __init__(self, start: S) -> None:
        self._reached_by: dict[S, tuple[S, str] | None] = {start: None}
        self._waiting: deque[S] = deque([start])

    def run(self, successors: Successors[S], wrong: Complaint[S], regress: Regress[S], limit: int) -> Explored:
        """Stops at the first wrong state. `regress` judges a single step, `wrong` a state."""
        while self._waiting:
            state = self._waiting.popleft()
            complaint = wrong(state)
            if complaint:
                return self._found(state, (), complaint)
            for label, following in successors(state):
                complaint = regress(state, following)
                if complaint:
                    return self._found(state, (label,), complaint)
                self._visit(state, label, following)
            if len(self._reached_by) > limit:
                return Explored(len(self._reached_by), None, finished=False)
        return Explored(len(self._reached_by), None)

    def _visit(self, state: S, label: str, following: S) -> None:
        if following not in self._reached_by:
            self._reached_by[following] = (state, label)
            self._waiting.append(following)

    def _found(self, state: S, last: tuple[str, ...], complaint: str) -> Explored:
        steps = (*reversed(list(self._way_back(state))), *last)
        return Explored(len(self._reached_by), Counterexample(steps, complaint))

    def _way_back(self, state: S) -> Iterator[str]:
        before = self._reached_by[state]
        while before is not None:
            yield before[1]
            before = self._reached_by[before[0]]
