"""Awaits what DynamoDB does by itself for minutes or hours: imports and exports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from pipelines.errors import TargetError
from pipelines.target.failures import PassingError

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0  # DynamoDB throttles those who ask often
PATIENCE_SECONDS = 900.0


def poll(
    look: Callable[[], bool],
    show: Callable[[], None],
    pause: Callable[[float], None],
    clock: Callable[[], float],
) -> None:
    """Calls `look`, and `show` after it, ever less often until it says that all has ended.

    Raises the PassingError that `look` has raised for PATIENCE_SECONDS, and at once whatever else it raises.
    """
    seconds, heard = FIRST_PAUSE_SECONDS, clock()
    while True:
        ended = False
        try:
            ended = look()
            heard = clock()
        except PassingError:
            if clock() - heard > PATIENCE_SECONDS:
                raise
        show()
        if ended:
            return
        pause(seconds)
        seconds = min(seconds * 1.5, LONGEST_PAUSE_SECONDS)


@contextmanager
def left_running(what: str, begun: Callable[[], Iterable[str]], how_to_go_on: str) -> Iterator[None]:
    """An interrupt in here ends nothing of what DynamoDB does, and says so. `what`: `import`, `export`; `begun`: the
    tables whose one was begun."""
    try:
        yield
    except KeyboardInterrupt:
        tables = ", ".join(begun())
        if not tables:
            raise
        raise KeyboardInterrupt(f"interrupted; the {what} of {tables} goes on in DynamoDB: {how_to_go_on}") from None
    except PassingError as error:
        raise TargetError(f"{error}; what was begun goes on in DynamoDB: {how_to_go_on}") from None
