"""Blocking calls for coroutines: in so many threads, and no more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")

THREADS = 32


class Offload:
    """For any number of event loops. Threads start with the first calls; a process that was forked has its own. A call
    whose coroutine is cancelled is carried out all the same."""

    def __init__(self, name: str, threads: int = THREADS) -> None:
        self._name, self._threads = name, threads
        self._pools: dict[int, ThreadPoolExecutor] = {}

    async def run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool(), copy_context().run, call)

    def close(self) -> None:
        """Without waiting for what is under way."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.shutdown(wait=False)

    def _pool(self) -> ThreadPoolExecutor:
        own = self._pools.get(os.getpid())
        if own is None:
            made = ThreadPoolExecutor(self._threads, thread_name_prefix=self._name)
            own = self._pools.setdefault(os.getpid(), made)
        return own
