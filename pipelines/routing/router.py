"""Where an application's queries are answered from."""

from __future__ import annotations

import random as randomness
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pipelines.errors import UsageError
from pipelines.mapping.model import Mapping
from pipelines.migration import Migration
from pipelines.routing.asked import Asked
from pipelines.routing.compare import Compare
from pipelines.routing.counters import Counters
from pipelines.routing.lifetime import begin_after_fork, close_at_exit
from pipelines.routing.options import Options
from pipelines.routing.pool import Pool
from pipelines.routing.query import Query
from pipelines.routing.query_async import AsyncQuery
from pipelines.routing.stages import FLUSH_SECONDS, Stages
from pipelines.target.control_table import ControlTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

P = ParamSpec("P")
T = TypeVar("T")

SHADOW_THREADS, SHADOW_WAITING = 4, 16
ANSWERING_THREADS = 32


class Router:
    """One a process, for all its queries. It starts its threads at the first call, in a process that was forked too.
    `dynamodb`: AWS's settings unless given; `refresh_seconds`: how old a stage may be.

    Needs no control table: without one, or while it cannot be read, the last known stages stay, at first `rds`.
    """

    def __init__(
        self,
        migration: Migration | Mapping,
        dynamodb: DynamoDBClient | None = None,
        refresh_seconds: float = 2.0,
        *,
        flush_seconds: float = FLUSH_SECONDS,
        shadow_threads: int = SHADOW_THREADS,
        shadow_waiting: int = SHADOW_WAITING,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: randomness.Random | None = None,
    ) -> None:
        if not refresh_seconds > 0:
            raise UsageError(f"refresh_seconds {refresh_seconds}: give seconds above 0")
        name = (migration.mapping if isinstance(migration, Migration) else migration).migration
        self._counters = Counters(now)
        self._stages = Stages(lambda: ControlTable.of(name, dynamodb), self._counters, refresh_seconds, flush_seconds)
        self._shadows = Pool("shadow", shadow_threads, shadow_waiting)
        self._at_once = shadow_threads + shadow_waiting
        self._answering = Pool("answering", ANSWERING_THREADS, 0)
        self._clock, self._random = clock, random or randomness.Random()  # noqa: S311 - no secret
        self._names: set[str] = set()
        close_at_exit(self._stages)
        begin_after_fork(self._counters, self._stages, self._shadows, self._answering)

    def query(
        self,
        name: str,
        *,
        rds: Callable[P, T],
        dynamodb: Callable[P, T],
        key: Callable[..., object] | None = None,
        clean: Callable[[Any], object] | None = None,
        snapshot: Callable[[Any], Any] | None = None,
        ignore: Iterable[str] = (),
        compare: Compare | None = None,
        deadline_seconds: float = 1.0,
        fallback: bool = False,
        noise: float = 0.0,
    ) -> Query[P, T]:
        """Called as `rds` is; `name`: once in an application. The rest: see Options. Raises UsageError."""
        options = Options(key, clean, snapshot, _paths(ignore), compare, deadline_seconds, fallback, noise)
        return Query(self._asked(name, options), rds, dynamodb, self._shadows, self._answering)

    def query_async(
        self,
        name: str,
        *,
        rds: Callable[P, Awaitable[T]],
        dynamodb: Callable[P, Awaitable[T]],
        key: Callable[..., object] | None = None,
        clean: Callable[[Any], object] | None = None,
        snapshot: Callable[[Any], Any] | None = None,
        ignore: Iterable[str] = (),
        compare: Compare | None = None,
        deadline_seconds: float = 1.0,
        fallback: bool = False,
        noise: float = 0.0,
    ) -> AsyncQuery[P, T]:
        """As `query`, of coroutine functions. Start the Router (`start`) before the event loop: the first call waits
        for the control table otherwise. Raises UsageError."""
        options = Options(key, clean, snapshot, _paths(ignore), compare, deadline_seconds, fallback, noise)
        return AsyncQuery(self._asked(name, options), rds, dynamodb, self._at_once)

    def start(self) -> None:
        """Reads the stages now rather than at the first call."""
        self._stages.refresh()
        self._stages.start()

    def close(self) -> None:
        """Writes what was counted since the last time, and ends the thread that reads and writes the control table. A
        process that ends without it does so all the same."""
        self._stages.close()

    def __enter__(self) -> Router:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _asked(self, name: str, options: Options) -> Asked:
        if not name or "#" in name or len(name) > 200:
            raise UsageError("a query's name: 1 to 200 letters without #")
        if name in self._names:
            raise UsageError(f"query {name}: there is one of that name; give each its own")
        self._names.add(name)
        self._stages.register(name)
        return Asked(name, options, self._stages, self._counters, self._clock, self._random)


def _paths(ignore: Iterable[str]) -> tuple[str, ...]:
    if isinstance(ignore, str):
        raise UsageError("ignore: give paths, `('updated_at',)`")
    return tuple(ignore)
