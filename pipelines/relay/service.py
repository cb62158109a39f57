"""A relay that goes on until it is told to stop.

Round after round: marks are expanded and log rows folded; then what is due is claimed, delivered and marked, a batch
after the other. It polls: a NOTIFY in the writers' transactions would take a lock at their commit that all writers of
the database share (PostgreSQL, src/backend/commands/async.c). Several share the work by leases; one that dies leaves
leases, which end by themselves. An item that fails waits ever longer before it is tried again, and holds up no other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from pipelines.deliver.deliverer import Deliverer
from pipelines.deliver.gather import gather, leave
from pipelines.deliver.outcome import Delivered
from pipelines.relay.pace import LONGEST_SECONDS, Pace
from pipelines.relay.tally import Tally
from pipelines.source.ledger.due import announce_left_keys, mend_due
from pipelines.source.ledger.health import is_paused
from pipelines.source.ledger.relays import beat
from pipelines.target.write_verdict import Verdict

BATCH = 250
_PROBE = 5  # items that are tried while DynamoDB is silent
_BEAT_SECONDS = 5.0
_MEND_SECONDS = 600.0
_PAUSED_SECONDS = 2.0
_UNHEARD = frozenset({Verdict.UNKNOWN, Verdict.NOT_SENT})


class Relay:
    """For one thread. `stop`: it ends once that is set, with nothing claimed. `report` is called every so often."""

    def __init__(
        self,
        deliverer: Deliverer,
        item_types: Sequence[str],
        tally: Tally,
        stop: threading.Event,
        report: Callable[[], None],
        idle_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._deliverer = deliverer
        self._session = deliverer.session
        self._item_types = item_types
        self._tally = tally
        self._stop = stop
        self._report = report
        self._pace = Pace(idle_seconds)
        self._beat_at = self._mended_at = float("-inf")

    def run(self) -> None:
        """Raises StageError where the epoch, the mapping or capture has changed; SourceError, TargetError."""
        try:
            while not self._stop.is_set():
                self._round()
                self._report()
                self._stop.wait(self._pace.seconds())
        finally:
            leave(self._deliverer)

    def _round(self) -> None:
        """Until nothing is due any more, or a beat is."""
        if is_paused(self._session):
            self._beat(None)
            self._stop.wait(_PAUSED_SECONDS)
            return
        self._mend()
        began = time.monotonic()
        self._gather()
        self._beat(began)
        while not self._stop.is_set() and time.monotonic() < self._beat_at + _BEAT_SECONDS:
            most = _PROBE if self._pace.is_silenced else BATCH
            delivered = self._deliverer.deliver_due(self._item_types, most)
            for one in delivered.values():
                self._tally.add(one)
            if not self._goes_on(list(delivered.values()), most):
                return

    def _goes_on(self, delivered: Sequence[Delivered], most: int) -> bool:
        """Whether more is due at once."""
        results = [result for one in delivered for result in one.results]
        verdicts = [verdict for result in results for verdict in result.verdicts]
        if not results:
            self._pace.found_nothing()
            return False
        if verdicts and all(verdict in _UNHEARD for verdict in verdicts):
            self._pace.silenced()
            return False
        more = len(results) == most
        self._pace.worked(more)
        return more

    def _gather(self) -> None:
        self._tally.marks += gather(self._deliverer)
        announce_left_keys(self._session)

    def _beat(self, gathered: float | None) -> None:
        now = time.monotonic()
        if now >= self._beat_at + _BEAT_SECONDS:
            beat(self._session, self._deliverer.lease.holder, None if gathered is None else now - gathered)
            self._beat_at = now

    def _mend(self) -> None:
        if time.monotonic() >= self._mended_at + _MEND_SECONDS:
            mend_due(self._session)
            self._mended_at = time.monotonic()
