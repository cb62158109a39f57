"""Statements that are one transaction each: carried out with patience for locks, or printed for review.

CREATE TRIGGER waits for the writers that are under way, and while it waits all later writers wait behind it. So it
waits a moment only, gives up its place, and comes again.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import TupleRow

from pipelines.errors import SourceError
from pipelines.source.connect import connect
from pipelines.source.server_error import DEADLOCK, LOCK_NOT_AVAILABLE, describe
from pipelines.source.session_limits import LOCK_TIMEOUT, session_limits

TRY_MILLISECONDS = 80
PAUSE_SECONDS = (0.1, 0.4)
QUERY_CANCELED = "57014"

_MOMENT = sql.Literal(f"{TRY_MILLISECONDS}ms")
_SHORT_WAIT = sql.SQL("SET LOCAL lock_timeout TO {}").format(_MOMENT)
_NO_PATH = sql.SQL("SET LOCAL search_path TO ''")
_SHORT_STATEMENT = sql.SQL("SET LOCAL statement_timeout TO {}").format(_MOMENT)
_ANY_STATEMENT = sql.SQL("SET LOCAL statement_timeout TO DEFAULT")

_TRY_AGAIN = (LOCK_NOT_AVAILABLE, DEADLOCK, QUERY_CANCELED)

_OTHER_OWNER = (
    "permission denied: capture is installed by a role that owns the mapped tables (or is a member of their owner), "
    "owns schema crossover, and may CREATE in the database"
)


@dataclass(frozen=True)
class Step:
    """`where` is the table, or what else it is about, for messages.

    `lock`: a LOCK TABLE that takes all that the statements need; one statement, so that the waits for a table and its
    partitions together are a moment, not one each while the others stand still.
    """

    where: str
    statements: tuple[sql.Composed, ...]
    lock: sql.Composed | None = None

    def transaction(self) -> tuple[sql.Composed | sql.SQL, ...]:
        locked = () if self.lock is None else (_SHORT_STATEMENT, self.lock, _ANY_STATEMENT)
        return (_NO_PATH, _SHORT_WAIT, *locked, *self.statements)


def connect_writable(url: str) -> Connection[TupleRow]:
    """As `connect`, but in autocommit mode, and its transactions are READ COMMITTED and may write.

    Never SERIALIZABLE: who reads the log that way would abort the writers that append to it.
    """
    connection = connect(url)
    connection.read_only = False
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    connection.autocommit = True
    return connection


def script(steps: Sequence[Step]) -> str:
    """The steps as one would run them in psql."""
    parts: list[str] = []
    for step in steps:
        statements = [statement.as_string(None) for statement in step.transaction()]
        parts.append("\n".join([f"-- {step.where}", "BEGIN;", *(f"{text};" for text in statements), "COMMIT;"]))
    return "\n\n".join(parts)


def run_steps(connection: Connection[TupleRow], steps: Sequence[Step], until: float = math.inf) -> None:
    """Each in a transaction of its own. `until`: by the monotonic clock, no lock is waited for longer. Raises
    SourceError at the first that fails; those before it stay done."""
    for step in steps:
        _run_patiently(connection, step, until)


def _run_patiently(connection: Connection[TupleRow], step: Step, until: float) -> None:
    limit = session_limits().lock_seconds
    deadline = time.monotonic() + limit if limit else None
    while (failure := _attempt(connection, step)) is not None:
        if failure not in _TRY_AGAIN:
            raise SourceError(f"{step.where}: {_problem(failure)}")
        if time.monotonic() >= until:
            raise SourceError(
                f"{step.where}: a lock could not be had before the time was up: a long transaction is writing there; "
                "run it again once that has ended"
            )
        if deadline is not None and time.monotonic() >= deadline:
            raise SourceError(
                f"{step.where}: a lock could not be had in {limit:g} seconds: a long transaction is writing there; "
                f"run it again once that has ended (what was done so far counts), or set {LOCK_TIMEOUT} (seconds)"
            )
        time.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311 - no secret


def _attempt(connection: Connection[TupleRow], step: Step) -> str | None:
    """The error's SQLSTATE, '' where the connection was lost; None where all went well."""
    try:
        with connection.transaction():
            for statement in step.transaction():
                connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate or ""
    return None


def _problem(sqlstate: str) -> str:
    match sqlstate:
        case "42501":
            return _OTHER_OWNER
        case "2BP01":
            return "something that is not Crossover's depends on it or lies in schema crossover; move it away first"
    return describe(sqlstate or None)
