"""The stages as the control table has them, and the counters on their way there: one daemon thread a Router."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pipelines.errors import CrossoverError
from pipelines.routing.counters import Counters, Written
from pipelines.routing.stage import Setting, name_key, stage_key
from pipelines.target.control_table import ControlTable, Row

log = logging.getLogger("pipelines.routing")

FLUSH_SECONDS = 10.0
FIRST_WAIT_SECONDS = 5.0


class Stages:
    """What is not known is `rds`; what was known once stays so while the control table cannot be read."""

    def __init__(
        self,
        table: Callable[[], ControlTable],
        counters: Counters,
        refresh_seconds: float,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self._open, self._counters = table, counters
        self._table: ControlTable | None = None
        self._refresh_seconds, self._flush_seconds = refresh_seconds, flush_seconds
        self._settings: dict[str, Setting] = {}
        self._named: dict[str, str] = {}
        self._warned = False
        self._lock = threading.Lock()
        self._asked, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def register(self, query: str) -> None:
        """From now on its stage is read."""
        self._settings.setdefault(query, Setting())

    def of(self, query: str) -> Setting:
        """The very first call waits until the control table was asked once, FIRST_WAIT_SECONDS at most: else a process
        that starts after the cut-over would ask RDS."""
        if not self._asked.is_set():
            self.start()
            self._asked.wait(FIRST_WAIT_SECONDS)
            self._asked.set()
        return self._settings[query]

    def start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._work, daemon=True, name="routing")
                self._thread.start()

    def refresh(self) -> None:
        """Reads every query's stage; warns once where that fails, until it has succeeded again."""
        try:
            table = self._control_table()
            queries = [*self._settings]
            rows = table.get_many([stage_key(query) for query in queries])
            for query in queries:
                self._settings[query] = Setting.of(rows.get(stage_key(query)))
        except Exception as error:  # whatever it is, callers must not see it
            self._warn(error)
        else:
            self._warned = False
        finally:
            self._asked.set()

    def flush(self) -> None:
        """Writes what was counted; what cannot be written now is kept."""
        written = self._counters.rows()
        try:
            table = self._control_table()
            self._name(table, written)
            for row in written.rows:
                table.put(row)
        except Exception as error:
            self._warn(error)
        else:
            self._counters.forget(written)

    def _name(self, table: ControlTable, written: Written) -> None:
        """Each query from the start, and again with the first counts of each hour: where somebody has taken out one
        that is asked all the same, it comes back."""
        hours = {query: self._named.get(query, "") for query in [*self._settings]} | dict(sorted(written.changes))
        for query, hour in hours.items():
            if self._named.get(query) != hour:
                table.put(Row(name_key(query), {"name": query}))
                self._named[query] = hour

    def close(self, most_seconds: float | None = None) -> None:
        """Ends the thread, after one more flush; waits for it so long at most."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(most_seconds)

    def begin(self) -> None:
        """As if nothing had been asked yet: in a process that was forked there is no thread but the one that forked."""
        self._table, self._named = None, {}
        self._lock, self._asked, self._stop = threading.Lock(), threading.Event(), threading.Event()
        self._thread = None

    def _work(self) -> None:
        waited = self._flush_seconds  # the queries are known to `crossover route` from the start
        while True:
            self.refresh()
            if waited >= self._flush_seconds:
                self.flush()
                waited = 0.0
            if self._stop.wait(self._refresh_seconds):
                self.flush()
                return
            waited += self._refresh_seconds

    def _control_table(self) -> ControlTable:
        if self._table is None:
            self._table = self._open()
        return self._table

    def _warn(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        why = str(error) if isinstance(error, CrossoverError) else type(error).__name__
        log.warning("the stages of queries cannot be read or counts written; the last known stay: %s", why)
