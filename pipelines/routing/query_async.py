"""The asynchronous form of a query. A candidate that blocks the event loop itself blocks its callers, too: give one
that awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Generic, ParamSpec, TypeVar

from pipelines.routing.asked import Asked
from pipelines.routing.stage import Stage

P = ParamSpec("P")
T = TypeVar("T")


class AsyncQuery(Generic[P, T]):
    """As Query. `at_once`: candidates under way beside the callers; more are dropped and counted."""

    def __init__(
        self,
        asked: Asked,
        rds: Callable[P, Awaitable[T]],
        dynamodb: Callable[P, Awaitable[T]],
        at_once: int,
    ) -> None:
        self._asked, self._rds, self._dynamodb, self._at_once = asked, rds, dynamodb, at_once
        self._under_way: set[asyncio.Task[None]] = set()

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        stage = self._asked.stage(args, kwargs)
        if stage is Stage.RDS:
            return await self._timed("rds", self._rds, *args, **kwargs)
        if stage is Stage.SHADOW:
            return await self._shadow(*args, **kwargs)
        if stage is Stage.DYNAMODB and not self._asked.options.fallback:
            return await self._timed("dynamodb", self._dynamodb, *args, **kwargs)
        return await self._in_time(*args, **kwargs)

    async def _shadow(self, *args: P.args, **kwargs: P.kwargs) -> T:
        asked = self._asked
        first, noise = asked.candidate_first(), asked.is_noise()
        pair, whose, other = ("noise", "noise", self._rds) if noise else ("shadow", "candidate", self._dynamodb)
        answer: list[T] = []
        ended = asyncio.Event()

        async def job() -> None:
            started = asked.clock()
            found = await self._tried(whose, other, *args, **kwargs)
            if not found:
                return
            asked.answered(whose, asked.clock() - started)
            await ended.wait()
            if answer:
                asked.compare(pair, answer[0], found[0])
            else:
                asked.count("not_compared")

        if first:
            self._start(job)
        try:
            found = await self._timed("rds", self._rds, *args, **kwargs)
            try:
                answer.append(asked.options.kept(found))
            except Exception:  # a defect of `snapshot` is not the caller's
                asked.count("snapshot_errors")
        finally:
            ended.set()
        if not first:
            self._start(job)
        return found

    async def _in_time(self, *args: P.args, **kwargs: P.kwargs) -> T:
        asked = self._asked
        started = asked.clock()
        found = await self._tried("dynamodb", self._dynamodb, *args, **kwargs)
        if found:
            asked.answered("dynamodb", asked.clock() - started)
            return found[0]
        asked.count("fallbacks")
        return await self._timed("rds", self._rds, *args, **kwargs)

    async def _tried(self, whose: str, ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """One answer, or none: it failed, or is late. One that does not let itself be cancelled is left alone."""
        found: list[T] = []

        async def candidate() -> None:
            try:
                found.append(await ask(*args, **kwargs))
            except asyncio.CancelledError:
                raise
            except BaseException:  # noqa: S110 - SystemExit out of a task would end the loop
                pass

        task = asyncio.ensure_future(candidate())
        self._keep(task)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._asked.options.deadline_seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            self._asked.count(f"{whose}_late")
            return []
        if not found:
            self._asked.count(f"{whose}_errors")
        return found

    def _start(self, job: Callable[[], Coroutine[None, None, None]]) -> None:
        if len(self._under_way) >= 2 * self._at_once:  # each is a comparison and what it waits for
            self._asked.count("shadow_dropped")
            return
        self._keep(asyncio.ensure_future(job()))

    def _keep(self, task: asyncio.Task[None]) -> None:
        """The event loop itself keeps no task alive."""
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _timed(self, whose: str, ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        started = self._asked.clock()
        try:
            found = await ask(*args, **kwargs)
        except BaseException:
            self._asked.count(f"{whose}_errors")
            raise
        self._asked.answered(whose, self._asked.clock() - started)
        return found
