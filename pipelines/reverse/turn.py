"""One at a time applies a migration's items: a reverse relay at work, or who takes its place for a while.

Two advisory locks of the session that writes (PostgreSQL, 13.3.5): who holds the first is at work; who holds the second
waits for its turn, and the relay at work stands aside for it. With the session both are gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import LiteralString

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.errors import StageError

TURN_SECONDS = 60.0
"""A relay at work stands aside after the batch that it has in hand."""
_PAUSE_SECONDS = 0.1

_KEY: LiteralString = "pg_catalog.hashtextextended(%s, 0)"


def begin_work(connection: Connection[TupleRow], migration: str) -> bool:
    """Whether this session is the one at work now."""
    return _takes(connection, _work(migration))


def end_work(connection: Connection[TupleRow], migration: str) -> None:
    _gives(connection, _work(migration))


def is_asked_aside(connection: Connection[TupleRow], migration: str) -> bool:
    """Whether somebody waits for its turn, or has it."""
    query: LiteralString = f"SELECT pg_catalog.pg_try_advisory_xact_lock_shared({_KEY})"
    found = connection.execute(query, (_turn(migration),)).fetchone()  # in autocommit: gone at once
    return found is None or not found[0]


@contextmanager
def taking_turn(
    connection: Connection[TupleRow],
    migration: str,
    wait_seconds: float = TURN_SECONDS,
    waits: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """At work instead of a relay. `waits`: called time and again until its turn has come; it may raise. Raises
    StageError where a relay, or another who takes its turn, does not end in time."""
    deadline = time.monotonic() + wait_seconds
    with (
        _held(connection, _turn(migration), migration, deadline, waits),
        _held(connection, _work(migration), migration, deadline, waits),
    ):
        yield


@contextmanager
def _held(
    connection: Connection[TupleRow], name: str, migration: str, deadline: float, waits: Callable[[], None]
) -> Iterator[None]:
    while not _takes(connection, name):
        waits()
        if time.monotonic() > deadline:
            raise StageError(
                f"reverse relay of {migration}: another one is at work and does not stand aside; stop it first"
            )
        time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            _gives(connection, name)


def _takes(connection: Connection[TupleRow], name: str) -> bool:
    query: LiteralString = f"SELECT pg_catalog.pg_try_advisory_lock({_KEY})"
    found = connection.execute(query, (name,)).fetchone()
    return found is not None and bool(found[0])


def _gives(connection: Connection[TupleRow], name: str) -> None:
    query: LiteralString = f"SELECT pg_catalog.pg_advisory_unlock({_KEY})"
    connection.execute(query, (name,))


def _work(migration: str) -> str:
    return f"crossover reverse relay of {migration}: at work"


def _turn(migration: str) -> str:
    return f"crossover reverse relay of {migration}: next"
