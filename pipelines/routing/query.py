"""A query as the application calls it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

from pipelines.routing.asked import Asked
from pipelines.routing.pool import Pool
from pipelines.routing.stage import Stage

P = ParamSpec("P")
T = TypeVar("T")


class Reply(Generic[T]):
    """What another thread answers, or that it failed."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._values: list[T] = []
        self.given_up = False

    def give(self, value: T) -> None:
        self._values.append(value)
        self._done.set()

    def fail(self) -> None:
        self._done.set()

    def wait(self, seconds: float) -> list[T] | None:
        """One value, or none where it failed; None where it is late."""
        return self._values if self._done.wait(seconds) else None


class Query(Generic[P, T]):
    """Called as RDS's implementation is. Only that one's exceptions reach the caller; DynamoDB's do in stage `dynamodb`
    without fallback, where nobody else can answer."""

    def __init__(
        self, asked: Asked, rds: Callable[P, T], dynamodb: Callable[P, T], shadows: Pool, answering: Pool
    ) -> None:
        self._asked, self._rds, self._dynamodb = asked, rds, dynamodb
        self._shadows, self._answering = shadows, answering

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        stage = self._asked.stage(args, kwargs)
        if stage is Stage.RDS:
            return self._timed("rds", self._rds, *args, **kwargs)
        if stage is Stage.SHADOW:
            return self._shadow(*args, **kwargs)
        if stage is Stage.DYNAMODB and not self._asked.options.fallback:
            return self._timed("dynamodb", self._dynamodb, *args, **kwargs)
        return self._in_time(*args, **kwargs)

    def _shadow(self, *args: P.args, **kwargs: P.kwargs) -> T:
        asked = self._asked
        first, noise = asked.candidate_first(), asked.is_noise()
        pair, whose, other = ("noise", "noise", self._rds) if noise else ("shadow", "candidate", self._dynamodb)
        primary: Reply[T] = Reply()

        def job() -> None:
            if primary.given_up:
                return
            started = asked.clock()
            try:
                found = other(*args, **kwargs)
            except BaseException:  # counted, and nobody's who calls
                asked.count(f"{whose}_errors")
                return
            seconds = asked.clock() - started
            late = (f"{whose}_late",) if seconds > asked.options.deadline_seconds else ()
            asked.answered(whose, seconds, *late)
            answer = primary.wait(asked.options.deadline_seconds)
            if answer:
                asked.compare(pair, answer[0], found)
            else:
                asked.count("not_compared")

        def submit() -> None:
            if not self._shadows.submit(job):
                asked.count("shadow_dropped")

        if first:
            submit()
        try:
            found = self._timed("rds", self._rds, *args, **kwargs)
        except BaseException:
            primary.fail()
            raise
        try:
            primary.give(asked.options.kept(found))
        except Exception:  # a defect of `snapshot` is not the caller's
            primary.given_up = True
            primary.fail()
            asked.count("snapshot_errors")
        if not first:
            submit()
        return found

    def _in_time(self, *args: P.args, **kwargs: P.kwargs) -> T:
        asked = self._asked
        reply: Reply[T] = Reply()
        started = asked.clock()

        def job() -> None:
            if reply.given_up:
                return
            try:
                reply.give(self._dynamodb(*args, **kwargs))
            except BaseException:
                reply.fail()

        if not self._answering.submit(job):
            asked.count("dynamodb_dropped")
        else:
            answer = reply.wait(asked.options.deadline_seconds)
            if answer:
                asked.answered("dynamodb", asked.clock() - started)
                return answer[0]
            reply.given_up = True
            asked.count("dynamodb_late" if answer is None else "dynamodb_errors")
        asked.count("fallbacks")
        return self._timed("rds", self._rds, *args, **kwargs)

    def _timed(self, whose: str, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        started = self._asked.clock()
        try:
            found = ask(*args, **kwargs)
        except BaseException:
            self._asked.count(f"{whose}_errors")
            raise
        self._asked.answered(whose, self._asked.clock() - started)
        return found
