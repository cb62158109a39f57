"""A control table in memory, and queries on it whose clock and chance are the test's."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pipelines.routing.asked import Asked
from pipelines.routing.counters import Counters
from pipelines.routing.options import Options
from pipelines.routing.pool import Pool
from pipelines.routing.query import Query
from pipelines.routing.stage import Setting, Stage
from pipelines.routing.stages import Stages

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def no_table() -> Any:
    raise OSError("away")


def asked(stage: Stage, options: Options, share: float = 0.0, order: Any = None, shadow_share: float = 1.0) -> Asked:
    counters = Counters(lambda: NOW)
    stages = Stages(no_table, counters, refresh_seconds=3600)
    stages._settings["q"] = Setting(stage, share, 1, shadow_share=shadow_share)
    stages._asked.set()
    return Asked("q", options, stages, counters, clock=lambda: 0.0, random=order or random.Random(1))


class Queries:
    """A query `q` with two pools of its own; `settled` waits until the shadow reads under way have ended."""

    def __init__(self, threads: int = 2, waiting: int = 2) -> None:
        self.shadows, self.answering = Pool("s", threads, waiting), Pool("a", threads, 0)
        self._room = threads + waiting

    def query(
        self,
        stage: Stage,
        rds: Callable[..., Any],
        dynamodb: Callable[..., Any],
        share: float = 0.0,
        order: Any = None,
        shadow_share: float = 1.0,
        **options: Any,
    ) -> Query[..., Any]:
        self.asked = asked(stage, Options(**options), share, order, shadow_share)
        return Query(self.asked, rds, dynamodb, self.shadows, self.answering)

    def settled(self) -> dict[str, Any]:
        for _ in range(self._room):
            assert self.shadows._room.acquire(timeout=30)
        for _ in range(self._room):
            self.shadows._room.release()
        return counts(self.asked)


def counts(of: Asked) -> dict[str, Any]:
    rows = [row for row in of.counters.rows().rows if row.key.sk.startswith("count#")]
    found = rows[0].document["counts"] if rows else {}
    assert isinstance(found, dict)
    return found


class Hanging:
    """Until the test lets it go."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def __call__(self, *_: Any) -> str:
        self.asked.set()
        assert self.go.wait(60)
        return "late"


class Order:
    """Says whether the candidate is asked first, and whether noise is."""

    def __init__(self, *, first: bool) -> None:
        self.first = first

    def random(self) -> float:
        return 0.0 if self.first else 0.9
