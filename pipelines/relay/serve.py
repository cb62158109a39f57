"""Keeps a relay at work through what passes: a failover of the source, a DynamoDB that cannot be reached.

What does not pass ends it: another epoch or mapping, capture that is off. So does whatever goes wrong before the first
delivery, for that is most likely a setting.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from pipelines.deliver.deliverer import LEASE_SECONDS
from pipelines.deliver.opened import opened_deliverer, opened_ledger
from pipelines.errors import SourceError, TargetError
from pipelines.migration import Migration
from pipelines.relay.pace import LONGEST_SECONDS, Pace
from pipelines.relay.service import Relay
from pipelines.relay.tally import Tally
from pipelines.source.ledger.health import Health, read_health

REPORT_SECONDS = 60.0


@dataclass(frozen=True)
class Options:
    """`idle_seconds`: the longest pause between two looks at the ledger. `report_seconds`: between two reports."""

    lease_seconds: float = LEASE_SECONDS
    idle_seconds: float = LONGEST_SECONDS
    report_seconds: float = REPORT_SECONDS


@dataclass(frozen=True)
class Report:
    """`health`: None where the ledger could not be read; `problem` says why."""

    tally: Tally
    health: Health | None
    problem: str | None = None


def serve(
    migration: Migration,
    url: str,
    options: Options,
    stop: threading.Event,
    say: Callable[[Report], None],
) -> Tally:
    """Until `stop` is set. Raises StageError, and whatever hinders the beginning."""
    tally, pace, begun = Tally(), Pace(), False
    while not stop.is_set():
        try:
            with (
                opened_ledger(migration, url) as ledger,
                opened_deliverer(migration, ledger, options.lease_seconds) as deliverer,
            ):
                begun = True

                def report() -> None:
                    say(Report(tally, read_health(ledger.session, ledger.item_types, by_due=True)))
                    pace.worked(more=True)

                every = _Every(options.report_seconds, report)
                Relay(deliverer, ledger.item_types, tally, stop, every, options.idle_seconds).run()
                report()  # what has come since the last one
        except (SourceError, TargetError) as error:
            if not begun:
                raise
            pace.silenced()
            say(Report(tally, None, str(error)))
            stop.wait(pace.seconds())
    return tally


class _Every:
    """Does it when it is called, but only so often."""

    def __init__(self, seconds: float, do: Callable[[], None]) -> None:
        self._seconds = seconds
        self._do = do
        self._last = float("-inf")

    def __call__(self) -> None:
        now = time.monotonic()
        if now >= self._last + self._seconds:
            self._last = now
            self._do()


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Set by SIGTERM and SIGINT; a second SIGINT interrupts at once. For the main thread."""
    stop = threading.Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
