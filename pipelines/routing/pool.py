"""Threads for what callers do not wait for, or not for long: so many, and so many waiting, and no more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextvars import copy_context


class Pool:
    """Daemon threads: a candidate that hangs must not keep the process from ending, as those of concurrent.futures
    would. Threads start with the first jobs."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._name, self._most, self._waiting = name, threads, waiting
        self.begin()

    def begin(self) -> None:
        """Without threads and jobs: a process that was forked has its parent's no more."""
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._room = threading.BoundedSemaphore(self._most + self._waiting)
        self._lock = threading.Lock()
        self._threads = 0

    def submit(self, job: Callable[[], object]) -> bool:
        """False where there is no room: the job will not run. It runs in the caller's context; `job` must not raise."""
        if not self._room.acquire(blocking=False):
            return False
        context = copy_context()
        self._jobs.put(lambda: context.run(job))
        with self._lock:
            if self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name=f"{self._name}-{self._threads}").start()
        return True

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except BaseException:  # noqa: S110 - a thread of the pool outlives whatever a candidate raises
                pass
            finally:
                self._room.release()
                del job  # or an answer would be kept until the next one
