"""Where metrics go. Whatever becomes of them, the work that they are about goes on.

emf                    lines in CloudWatch's embedded metric format, on stdout
emf:FILE               the same, appended to a file
cloudwatch             PutMetricData
prometheus:PORT        http://127.0.0.1:PORT/metrics
prometheus-file:PATH   a file for node_exporter's textfile collector, replaced each time
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from pipelines.errors import CrossoverError, UsageError
from pipelines.monitoring.metric import Metric

CLOSE_SECONDS = 15.0
"""For what is under way when the work is done; longer than CloudWatch's client tries."""
_WAITING = 20  # emissions; a service that is away for longer misses some

log = logging.getLogger(__name__)


class Sink(Protocol):
    """`at`: seconds since the epoch. Raises OSError or CrossoverError where the metrics are not taken."""

    def emit(self, metrics: Sequence[Metric], at: float, /) -> None: ...
    def close(self) -> None: ...


class Sinks:
    """All that were asked for; none is one, too. For one thread. A context manager."""

    def __init__(self, sinks: Iterable[Guarded | Background] = (), clock: Callable[[], float] = time.time) -> None:
        self._sinks = tuple(sinks)
        self._clock = clock

    @property
    def lost(self) -> int:
        """Emissions that a sink has not taken."""
        return sum(sink.lost for sink in self._sinks)

    def emit(self, metrics: Sequence[Metric]) -> None:
        """Never raises, and never waits for a network."""
        at = self._clock()
        for sink in self._sinks:
            sink.emit(metrics, at)

    def close(self) -> None:
        """Waits for what is under way, CLOSE_SECONDS at most."""
        for sink in self._sinks:
            sink.close()

    def __enter__(self) -> Sinks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Guarded:
    """A sink that never raises: one line in the log and a count for each emission that it does not take."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.lost = 0
        self._name = name
        self._sink = sink

    def emit(self, metrics: Sequence[Metric], at: float) -> None:
        try:
            self._sink.emit(metrics, at)
        except Exception as error:  # a defect of a sink's is no reason to stop delivering either
            self.lose(str(error) if isinstance(error, CrossoverError) else type(error).__name__)

    def lose(self, why: str) -> None:
        self.lost += 1
        log.warning("metrics: %s has not taken them (%s); %d times so far", self._name, why, self.lost)

    def close(self) -> None:
        try:
            self._sink.close()
        except Exception as error:  # as above: the work is done, whatever its metrics are
            log.warning("metrics: %s could not be closed (%s)", self._name, type(error).__name__)


class Background:
    """A sink that is slow, in a thread of its own."""

    def __init__(self, sink: Guarded, close_seconds: float = CLOSE_SECONDS) -> None:
        self._sink = sink
        self._close_seconds = close_seconds
        self._queue: queue.Queue[tuple[Sequence[Metric], float] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, daemon=True, name="metrics")
        self._thread.start()

    @property
    def lost(self) -> int:
        return self._sink.lost

    def emit(self, metrics: Sequence[Metric], at: float) -> None:
        try:
            self._queue.put_nowait((metrics, at))
        except queue.Full:
            self._sink.lose("too many are waiting")

    def close(self) -> None:
        try:
            self._queue.put(None, timeout=self._close_seconds)
        except queue.Full:
            return
        self._thread.join(self._close_seconds)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            self._sink.emit(*task)
        self._sink.close()


def open_sinks(
    specifications: Sequence[str], migration: str, clock: Callable[[], float] = time.time, by: str = "--metrics"
) -> Sinks:
    """As the list at this module's head. `by`: what has named them. Raises UsageError, naming that, and the one that
    is wrong, or that cannot be opened."""
    opened: list[Guarded | Background] = []
    for one in dict.fromkeys(specifications):
        try:
            opened.append(_opened(one, migration))
        except UsageError as error:
            Sinks(opened).close()
            raise UsageError(f"{by} {one}: {error}") from None
    return Sinks(opened, clock)


def _opened(specification: str, migration: str) -> Guarded | Background:
    """What a sink needs is imported only where it is asked for. Raises UsageError, which does not name it."""
    kind, colon, rest = specification.partition(":")
    match kind, colon, rest:
        case "emf", _, path if path or not colon:
            from pipelines.monitoring.emf import EmfSink

            return Guarded(specification, EmfSink(migration, Path(path) if path else None))
        case "cloudwatch", "", _:
            from pipelines.monitoring.client import cloudwatch_client
            from pipelines.monitoring.cloudwatch import CloudWatchSink

            return Background(Guarded(specification, CloudWatchSink(migration, cloudwatch_client())))
        case "prometheus", _, port if port.isdecimal() and int(port) < 65536:
            from pipelines.monitoring.prometheus import ServedSink

            return Guarded(specification, ServedSink(migration, int(port)))
        case "prometheus-file", _, path if path:
            from pipelines.monitoring.prometheus import FileSink

            return Guarded(specification, FileSink(migration, Path(path)))
    raise UsageError("no such sink; give emf, emf:FILE, cloudwatch, prometheus:PORT or prometheus-file:PATH")
