"""The application of `tests.shop_writer`, its transactions written through a DualWriter: a third each through sessions,
async sessions and psycopg alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from typing import Literal

import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from pipelines.dualwrite import DualWriter
from pipelines.migration import Migration
from tests.dual_written_shop import sqlalchemy_url
from tests.shop_writer import BURST, LARGE, Transaction, transactions

DEADLINE_SECONDS = 0.3

Mode = Literal["sync", "async"]
CarriedOut = Callable[[Transaction], None]


def carried_out(session: Session, transaction: Transaction) -> None:
    """In the session's transaction; it is left to be committed, if it is to be."""
    session.connection(execution_options={"isolation_level": transaction.level})
    for statement, pause, undone in zip(transaction.statements, transaction.pauses, transaction.undone, strict=True):
        nested = session.begin_nested() if undone else None
        for one in statement.split(";"):
            session.execute(text(one))
        if nested is not None:
            nested.rollback()
        time.sleep(pause)
    if transaction.rolled_back:
        session.rollback()


def _by_sessions(migration: Migration, url: str, mode: Mode) -> tuple[DualWriter, CarriedOut]:
    engine = create_engine(sqlalchemy_url(url))
    sessions = sessionmaker(engine)
    writer = DualWriter(migration, engine, mode=mode, deadline_seconds=DEADLINE_SECONDS).attach(sessions)

    def work(transaction: Transaction) -> None:
        with sessions.begin() as session:
            carried_out(session, transaction)

    return writer, work


def _by_async_sessions(migration: Migration, url: str, mode: Mode) -> tuple[DualWriter, CarriedOut]:
    engine = create_async_engine(sqlalchemy_url(url))
    sessions = async_sessionmaker(engine)
    writer = DualWriter(migration, engine, mode=mode, deadline_seconds=DEADLINE_SECONDS).attach(sessions)
    runner = asyncio.Runner()

    async def write(transaction: Transaction) -> None:
        async with sessions.begin() as session:
            await session.run_sync(carried_out, transaction)

    return writer, lambda transaction: runner.run(write(transaction))


def _by_psycopg(migration: Migration, url: str, mode: Mode) -> tuple[DualWriter, CarriedOut]:
    writer = DualWriter(migration, None, ledger_url=url, mode=mode, deadline_seconds=DEADLINE_SECONDS)
    connection = psycopg.connect(url, autocommit=True)

    def work(transaction: Transaction) -> None:
        with writer.transaction(connection, force_rollback=transaction.rolled_back):
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {transaction.level}".encode())
            for statement, undone in zip(transaction.statements, transaction.undone, strict=True):
                with writer.transaction(connection, force_rollback=True) if undone else nullcontext():
                    connection.execute(statement.encode())

    return writer, work


def _outcome(work: CarriedOut, transaction: Transaction) -> str:
    try:
        work(transaction)
    except (DBAPIError, psycopg.Error) as error:
        return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None) or "lost"
    return "rolled back" if transaction.rolled_back else "committed"


def write(migration: Migration, url: str, mode: Mode, seed: str, count: int, per_second: float) -> Counter[str]:
    """As `tests.shop_writer.write`; and items `delivered`, and commits of which something was `left` to the relay."""
    ways = [make(migration, url, mode) for make in (_by_sessions, _by_async_sessions, _by_psycopg)]
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    for number, transaction in enumerate(transactions(seed, count, LARGE)):
        outcomes[_outcome(ways[number % len(ways)][1], transaction)] += 1
        if number % BURST == 0:
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
    for writer, _ in ways:
        writer.close()
        outcomes["left"] += sum(writer.counts().left_to_relay.values())
        outcomes["delivered"] += writer.counts().delivered
    return outcomes
