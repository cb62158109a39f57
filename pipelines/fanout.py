"""Hands out independent pieces of work (buckets, scan segments) to Spark's tasks and gathers what they return.

A piece is done when its own files say so, so that a killed run goes on where it stopped. An interrupt lets the
pieces under way finish and starts no other.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import FrameType
from typing import Generic, Protocol, TypeVar

from pyspark.sql import SparkSession

from pipelines.errors import CrossoverError, WarehouseError
from pipelines.spark import require_shared, session, share_settings
from pipelines.warehouse.hold import Hold, LostLockError, current_hold, holding
from pipelines.warehouse.place import Place

T = TypeVar("T")
R = TypeVar("R")

_SIGNAL_SECONDS = 0.5
_LOOK_SECONDS = 0.05
_POLL_SECONDS = 0.5
_FOLDER_PROBLEMS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}
)


class FanOut(Protocol):
    """`work` is a picklable function of one task; results come in the order of `tasks`.

    Raises the first CrossoverError that a task raised, and KeyboardInterrupt once an interrupt has been obeyed, also
    where what interrupted us has ended the workers or Java at the same time.
    `on_poll` is called about twice a second meanwhile, in the calling thread. `at_once`: no more tasks run at the same
    time, neighbours one after the other in one process; unless given, as many as there is room for.
    """

    def __call__(
        self,
        tasks: Sequence[T],
        work: Callable[[T], R],
        *,
        stop_flag: Place,
        on_poll: Callable[[], None] = lambda: None,
        at_once: int | None = None,
    ) -> list[R]: ...


def slots(fan_out: FanOut) -> int:
    """How many tasks there is room for at once."""
    return fan_out.slots if isinstance(fan_out, SparkFanOut) else 1


def in_process(
    tasks: Sequence[T],
    work: Callable[[T], R],
    *,
    stop_flag: Place,  # noqa: ARG001 - an interrupt reaches this process itself
    on_poll: Callable[[], None] = lambda: None,
    at_once: int | None = None,  # noqa: ARG001 - it is one
) -> list[R]:
    """One after the other in this process: a FanOut for who has no session, as tests have none."""
    results = []
    for task in tasks:
        results.append(work(task))
        on_poll()
    return results


class SparkFanOut:
    """Each piece is one Spark task, unless some are to be done one after the other."""

    def __init__(self, spark: SparkSession | Callable[[], SparkSession]) -> None:
        """`spark`: the session, or what gives it, always the same."""
        self._given = spark

    @property
    def _spark(self) -> SparkSession:
        return self._given() if callable(self._given) else self._given

    @property
    def slots(self) -> int:
        return self._spark.sparkContext.defaultParallelism

    def __call__(
        self,
        tasks: Sequence[T],
        work: Callable[[T], R],
        *,
        stop_flag: Place,
        on_poll: Callable[[], None] = lambda: None,
        at_once: int | None = None,
    ) -> list[R]:
        if not tasks:
            return []
        stop_flag.remove()
        share_settings(self._spark)
        require_shared(self._spark, stop_flag.parent)
        hold = current_hold()
        outcome: list[list[tuple[R | None, CrossoverError | None]]] = []
        failure: list[BaseException] = []

        def job() -> None:
            try:
                rdd = self._spark.sparkContext.parallelize(list(tasks), at_once or len(tasks))
                obedient: _Obedient[T, R] = _Obedient(work, stop_flag, hold)
                outcome.append(rdd.map(obedient).collect())
            except BaseException as error:
                failure.append(error)
            finally:
                ended.set()

        ended = threading.Event()
        with _interrupts_counted() as interrupts:
            threading.Thread(target=job, name="fan-out", daemon=True).start()
            _await(ended, interrupts, stop_flag, on_poll)
            if failure and not interrupts.obeyed:
                # who ends a whole process group ends Java too; our own signal may come a moment after its death
                time.sleep(_SIGNAL_SECONDS)
        interrupted = interrupts.obeyed
        with contextlib.suppress(CrossoverError):  # the next run removes it too; the outcome must not be lost over it
            stop_flag.remove()
        if failure:
            raise KeyboardInterrupt if interrupted else failure[0]
        errors = [error for _, error in outcome[0] if error is not None]
        if errors:
            raise errors[0]
        if interrupted:
            raise KeyboardInterrupt
        return [result for result, _ in outcome[0] if result is not None]


@contextlib.contextmanager
def spark_fan_out() -> Iterator[SparkFanOut]:
    """Its session starts with the first task, some seconds later than what a stage refuses before; ended at the end."""
    with contextlib.ExitStack() as stack:
        yield SparkFanOut(cache(lambda: stack.enter_context(session())))


@dataclass
class _Interrupts:
    obeyed: bool = False


@contextlib.contextmanager
def _interrupts_counted() -> Iterator[_Interrupts]:
    """The first interrupt is noted and is no exception, wherever it comes; a second one is a KeyboardInterrupt.

    PySpark's own handler cancels every job at an interrupt, which would tear the pieces under way. SIGTERM is obeyed
    where somebody handles it.
    """
    interrupts = _Interrupts()

    def obey(_signal: int, _frame: FrameType | None) -> None:
        if interrupts.obeyed:
            raise KeyboardInterrupt
        interrupts.obeyed = True  # and no more: a handler must not wait for a lock that its own thread may hold

    before = {}
    if threading.current_thread() is threading.main_thread():
        handled = [signal.SIGINT, *([signal.SIGTERM] if callable(signal.getsignal(signal.SIGTERM)) else [])]
        before = {number: signal.signal(number, obey) for number in handled}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _await(ended: threading.Event, interrupts: _Interrupts, stop_flag: Place, on_poll: Callable[[], None]) -> None:
    """Raises the flag once an interrupt was noted. Not by Thread.join(): Python 3.11 takes a thread for ended once
    that is interrupted."""
    next_poll, raised = time.monotonic() + _POLL_SECONDS, False
    try:
        while not ended.wait(_LOOK_SECONDS):
            if interrupts.obeyed and not raised:
                stop_flag.write_atomically("")
                raised = True
            if time.monotonic() >= next_poll:
                on_poll()
                next_poll = time.monotonic() + _POLL_SECONDS
    except BaseException:
        with contextlib.suppress(CrossoverError):  # what came first says more
            stop_flag.write_atomically("")
        raise


class _Obedient(Generic[T, R]):
    """Runs in the Python worker: skips when told to stop, and brings errors meant for the user home as values."""

    def __init__(self, work: Callable[[T], R], stop_flag: Place, hold: Hold | None) -> None:
        self._work = work
        self._stop_flag = stop_flag
        self._hold = hold

    def __call__(self, task: T) -> tuple[R | None, CrossoverError | None]:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C reaches the workers too
        if self._stop_flag.is_file():
            return None, None
        try:
            return self._work_under_lock(task), None
        except LostLockError as error:
            return None, error  # without the flag, which would stop the run that has the lock now
        except CrossoverError as error:
            return None, self._stopped_by(error)
        except OSError as error:
            if error.errno not in _FOLDER_PROBLEMS:
                raise
            where = error.filename or self._stop_flag.parent
            return None, self._stopped_by(WarehouseError(f"{where}: cannot be used ({os.strerror(error.errno)})"))

    def _work_under_lock(self, task: T) -> R:
        if self._hold is None:
            return self._work(task)
        self._hold.require()
        with holding(self._hold):
            return self._work(task)

    def _stopped_by(self, error: CrossoverError) -> CrossoverError:
        with contextlib.suppress(CrossoverError):
            self._stop_flag.write_atomically("")
        return error
