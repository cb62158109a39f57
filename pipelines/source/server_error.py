"""What an error of the server means for the user (PostgreSQL, appendix A: error codes)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Error, errors

from pipelines.errors import SourceError
from pipelines.source.session_limits import LOCK_TIMEOUT, STATEMENT_TIMEOUT, session_limits

LOCK_NOT_AVAILABLE = "55P03"
DEADLOCK = "40P01"

_DENIED = re.compile(r"permission denied for (database|schema|table|view|function) \S+")


def describe(sqlstate: str | None) -> str:
    """One line. Never the error's own text: that may show a row's value."""
    match sqlstate:
        case None | "57P01" | "57P02" | "57P03":
            return "the connection was lost"
        case "42501":
            return (
                "permission denied: `crossover permissions` prints the GRANTs that its role needs "
                "(and BYPASSRLS where rows have a policy)"
            )
        case "55P03":
            return (
                "a lock could not be had in time: another session changes or truncates it; "
                f"try again, or give it longer by {LOCK_TIMEOUT} (seconds)"
            )
        case "57014":
            return f"cancelled by statement_timeout{_limit()} or by an administrator"
        case "25P03" | "25P04":
            return (
                "the server ended the session by a time limit that its user or database has; a snapshot is one long "
                "transaction: ALTER ROLE … SET transaction_timeout = 0 (and idle_in_transaction_session_timeout)"
            )
        case "40P01":
            return "a deadlock with another session; try again"
        case "53100":
            return "the database server's disk is full"
        case "53200":
            return "the database server is out of memory"
        case "58030" | "XX001" | "XX002":
            return f"PostgreSQL's error {sqlstate}: it finds its own files damaged; restore or repair them first"
        case "22021" | "22P05":
            return "a text holds bytes that are none in the database's encoding, or that UTF-8 cannot express"
        case "42P01" | "3F000" | "42703":
            return "it does not exist any more, or has changed"
        case _ if sqlstate.startswith("08"):
            return "the connection was lost"
    try:
        return f"PostgreSQL's error {sqlstate} ({errors.lookup(sqlstate).__name__})"
    except KeyError:
        return f"PostgreSQL's error {sqlstate}"


def described(error: Error) -> str:
    """`describe`, and what was denied where that is it: the server says so by a name, and with no value."""
    told = _DENIED.fullmatch(error.diag.message_primary or "")
    words = describe(error.sqlstate)
    return words if told is None else words.replace("permission denied", told[0], 1)


def _limit() -> str:
    """Which limit of ours, or where else one comes from, and how it is changed."""
    seconds = session_limits().statement_seconds
    if seconds:
        return f" ({STATEMENT_TIMEOUT}={seconds:g}: give more seconds, or 0 for no limit)"
    if seconds == 0:
        return ""
    return f" (the role's or the database's; {STATEMENT_TIMEOUT} in seconds overrides it, 0 for no limit)"


@contextmanager
def in_one_line(source: str, what: str) -> Iterator[None]:
    """`what`: has failed where the server reports an error. Raises SourceError, without the server's own error around
    it, whose text may show a row's value."""
    failed = None
    try:
        yield
    except Error as error:
        failed = described(error)
    if failed is not None:
        raise SourceError(f"source {source}: {what}: {failed}")
