"""Waits for an export task, however long it takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from pipelines.errors import SourceError
from pipelines.progress import rewrite_line
from pipelines.source.rds_export.client import PassingError, RdsClient
from pipelines.source.rds_export.task import COMPLETE, ENDED_BADLY, ExportTask, describe_task
from pipelines.source.rds_export.words import in_one_line

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
PATIENCE_SECONDS = 900.0


@dataclass
class Waiting:
    """The line on a terminal; nothing where there is none. Seconds by the monotonic clock."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    first_percent: int | None = None
    first_seconds: float = 0.0

    def show(self, task: ExportTask, seconds: float) -> None:
        if self.first_percent is None and task.percent > 0:
            self.first_percent, self.first_seconds = task.percent, seconds
        rewrite_line(self.line(task, seconds), self.stream)

    def line(self, task: ExportTask, seconds: float) -> str:
        """The time that remains is judged by the pace since the first percent: before that, RDS restores."""
        text = f"export {task.id}: {task.status.lower().replace('_', ' ')}, {task.percent} %"
        if self.first_percent is None or task.percent <= self.first_percent:
            return text
        pace = (seconds - self.first_seconds) / (task.percent - self.first_percent)
        return f"{text}, about {max(1, round((100 - task.percent) * pace / 60))} min left"

    def end(self) -> None:
        rewrite_line("", self.stream)


def await_task(
    rds: RdsClient,
    id: str,
    how_to_go_on: str,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> ExportTask:
    """The task once it is complete.

    Raises SourceError where it failed, was cancelled, or RDS gave no answer for PATIENCE_SECONDS, and
    KeyboardInterrupt, which says `how_to_go_on`: the task itself runs on.
    """
    waiting = Waiting()
    try:
        with left_running(id, how_to_go_on):
            return _await(rds, id, waiting, pause, clock)
    except PassingError as error:
        raise SourceError(f"{error}; export task {id} runs on in RDS: {how_to_go_on}") from None
    finally:
        waiting.end()


@contextmanager
def left_running(id: str, how_to_go_on: str) -> Iterator[None]:
    """An interrupt in here does not end the task, and says so."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; export task {id} runs on in RDS: {how_to_go_on}") from None


def _await(
    rds: RdsClient, id: str, waiting: Waiting, pause: Callable[[float], None], clock: Callable[[], float]
) -> ExportTask:
    seconds = FIRST_PAUSE_SECONDS
    heard = clock()
    while True:
        try:
            task = describe_task(rds, id)
        except PassingError:
            if clock() - heard > PATIENCE_SECONDS:
                raise
        else:
            heard = clock()
            waiting.show(task, heard)
            if task.status == COMPLETE:
                return task
            if task.status in ENDED_BADLY:
                raise SourceError(_ended_badly(task))
        pause(seconds)
        seconds = min(seconds * 1.5, LONGEST_PAUSE_SECONDS)


def _ended_badly(task: ExportTask) -> str:
    if task.status != "FAILED":
        return f"export task {task.id} was cancelled; start a new one"
    return f"export task {task.id} failed: {in_one_line(task.failure) or 'RDS gives no cause'}"
