"""Keeps a reverse relay at work through what passes: a failover of the source, a DynamoDB that cannot be reached, a
drain that takes its turn.

What does not pass ends it: another epoch or mapping, capture that is off, another reverse relay at work. So does
whatever goes wrong before it has begun, for that is most likely a setting.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from pipelines.deliver.opened import opened_ledger
from pipelines.errors import SourceError, StageError, TargetError
from pipelines.migration import Migration
from pipelines.relay.pace import LONGEST_SECONDS, Pace
from pipelines.reverse.health import ReverseHealth, read_reverse_health, waiting_problems
from pipelines.reverse.opened import opened_reverse
from pipelines.reverse.relay import ReverseRelay
from pipelines.reverse.standing import leave
from pipelines.reverse.tally import Tally
from pipelines.reverse.turn import begin_work, end_work, is_asked_aside
from pipelines.source.connect import identity
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.server_error import in_one_line

REPORT_SECONDS = 60.0
_BEGIN_SECONDS = 5.0  # so long the session of one that was killed may still be there
_ASIDE_SECONDS = 0.1


@dataclass(frozen=True)
class Options:
    """`idle_seconds`: the longest pause between two looks at the streams. `report_seconds`: between two reports."""

    idle_seconds: float = LONGEST_SECONDS
    report_seconds: float = REPORT_SECONDS


@dataclass(frozen=True)
class Report:
    """`health`: None where the ledger could not be read or DynamoDB is away; `problem` says why. `waits`: why items
    wait, and how many for that reason."""

    tally: Tally
    health: ReverseHealth | None
    problem: str | None = None
    waits: tuple[tuple[str, int], ...] = ()


def serve_reverse(
    migration: Migration, url: str, options: Options, stop: threading.Event, say: Callable[[Report], None]
) -> Tally:
    """Until `stop` is set. Raises StageError, also where another one is at work, and whatever hinders the beginning."""
    served = _Served(migration, url, options, stop, say)
    pace = Pace()
    while not stop.is_set():
        try:
            with in_one_line(identity(url), "the reverse relay"):
                served.once()
            pace.worked(more=True)
        except (SourceError, TargetError) as error:
            if not served.has_begun:
                raise
            pace.silenced()
            served.tell_once(str(error))
            stop.wait(pace.seconds())
    return served.tally


class _Served:
    def __init__(
        self, migration: Migration, url: str, options: Options, stop: threading.Event, say: Callable[[Report], None]
    ) -> None:
        self.tally = Tally()
        self.has_begun = False
        self._migration = migration
        self._url = url
        self._options = options
        self._stop = stop
        self._say = say
        self._holder = secrets.token_hex(8)
        self._problem: str | None = None
        self._told_at = float("-inf")

    def once(self) -> None:
        """Until it is stopped, or has stood aside."""
        with opened_ledger(self._migration, self._url) as ledger:
            session = ledger.session
            if not self._begins(session):
                return
            with opened_reverse(self._migration, ledger) as opened:

                def report() -> None:
                    self.has_begun = True
                    self._report(session)

                relay = ReverseRelay(opened, self._holder, self.tally, self._stop, report, self._options.idle_seconds)
                relay.run()
                relay.beat()
            self._report(session, now=True)
            end_work(session.connection, session.migration)
            self._stand_aside(session)

    def tell_once(self, problem: str) -> None:
        """Until it has passed, or is another one."""
        if problem != self._problem:
            self._problem = problem
            self._say(Report(self.tally, None, problem))

    def _begins(self, session: LedgerSession) -> bool:
        """False where it is stopped before. Raises StageError, SourceError where another one is at work."""
        deadline = time.monotonic() + _BEGIN_SECONDS
        while not begin_work(session.connection, session.migration):
            if is_asked_aside(session.connection, session.migration):
                deadline = time.monotonic() + _BEGIN_SECONDS
            if time.monotonic() > deadline:
                problem = f"another reverse relay of {session.migration} is at work; there is one at a time"
                raise SourceError(problem) if self.has_begun else StageError(problem)
            if self._stop.wait(_ASIDE_SECONDS):
                return False
        return True

    def _stand_aside(self, session: LedgerSession) -> None:
        while not self._stop.is_set() and is_asked_aside(session.connection, session.migration):
            self._stop.wait(_ASIDE_SECONDS)
        if self._stop.is_set():
            with suppress(psycopg.Error), session.writing() as connection:
                leave(connection, session.migration, self._holder)

    def _report(self, session: LedgerSession, now: bool = False) -> None:
        at = time.monotonic()
        self._problem = None
        if now or at >= self._told_at + self._options.report_seconds:
            self._told_at = at
            health = read_reverse_health(session.connection, session.migration)
            waits = waiting_problems(session.connection, session.migration) if health.waiting else ()
            self._say(Report(self.tally, health, waits=waits))
