"""Hands out independent pieces of work (buckets, scan segments) to Spark's tasks and gathers what they return.

A piece is done when its own files say so, so that a killed run goes on where it stopped. An interrupt lets the
pieces under way finish and starts no other.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pyspark.sql import SparkSession

from pipelines.errors import CrossoverError

T = TypeVar("T")
R = TypeVar("R")


class FanOut(Protocol):
    """`work` is a picklable function of one task; results come in the order of `tasks`.

    Raises the first CrossoverError that a task raised, and KeyboardInterrupt once an interrupt has been obeyed.
    `on_poll` is called about twice a second meanwhile, in the calling thread.
    """

    def __call__(
        self,
        tasks: Sequence[T],
        work: Callable[[T], R],
        *,
        stop_flag: Path,
        on_poll: Callable[[], None] = lambda: None,
    ) -> list[R]: ...


def in_process(
    tasks: Sequence[T],
    work: Callable[[T], R],
    *,
    stop_flag: Path,  # noqa: ARG001 - an interrupt reaches this process itself
    on_poll: Callable[[], None] = lambda: None,
) -> list[R]:
    """One after the other in this process: for tests, and for work too small for a session."""
    results = []
    for task in tasks:
        results.append(work(task))
        on_poll()
    return results


class SparkFanOut:
    """Each piece is one Spark task."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def __call__(
        self,
        tasks: Sequence[T],
        work: Callable[[T], R],
        *,
        stop_flag: Path,
        on_poll: Callable[[], None] = lambda: None,
    ) -> list[R]:
        if not tasks:
            return []
        stop_flag.unlink(missing_ok=True)
        # a worker's variables are those of the time when the JVM started, not of now
        self._spark.sparkContext.environment.update(
            (name, value) for name, value in os.environ.items() if name.startswith("AWS_")
        )
        outcome: list[list[tuple[R | None, CrossoverError | None]]] = []
        failure: list[BaseException] = []

        def job() -> None:
            try:
                rdd = self._spark.sparkContext.parallelize(list(tasks), len(tasks))
                obedient: _Obedient[T, R] = _Obedient(work, stop_flag)
                outcome.append(rdd.map(obedient).collect())
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=job, name="fan-out", daemon=True)
        thread.start()
        with _interrupts_only_raise():
            interrupted = _await(thread, stop_flag, on_poll)
        stop_flag.unlink(missing_ok=True)
        if failure:
            raise failure[0]
        errors = [error for _, error in outcome[0] if error is not None]
        if errors:
            raise errors[0]
        if interrupted:
            raise KeyboardInterrupt
        return [result for result, _ in outcome[0] if result is not None]


@contextlib.contextmanager
def _interrupts_only_raise() -> Iterator[None]:
    """PySpark's own handler cancels every job at an interrupt, which would tear the pieces under way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _await(thread: threading.Thread, stop_flag: Path, on_poll: Callable[[], None]) -> bool:
    """Waits for the job; the first interrupt raises the flag, a second one ends the process at once."""
    interrupted = False
    while thread.is_alive():
        try:
            thread.join(0.5)
            on_poll()
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            stop_flag.touch()
    return interrupted


class _Obedient(Generic[T, R]):
    """Runs in the Python worker: skips when told to stop, and brings errors meant for the user home as values."""

    def __init__(self, work: Callable[[T], R], stop_flag: Path) -> None:
        self._work = work
        self._stop_flag = stop_flag

    def __call__(self, task: T) -> tuple[R | None, CrossoverError | None]:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C reaches the workers too
        if self._stop_flag.exists():
            return None, None
        try:
            return self._work(task), None
        except CrossoverError as error:
            self._stop_flag.touch()
            return None, error
