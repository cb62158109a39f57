"""psycopg's connections: a transaction, and the delivery of what it has touched after it.

Inside another transaction these are savepoints, as psycopg's own, and nothing more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from psycopg import AsyncConnection, AsyncTransaction, Connection, Transaction
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from pipelines.dualwrite.handover import Handover
from pipelines.source.ledger.follow import FOLLOW_HERE, READ_TOUCHED, Touched


@contextmanager
def delivered_transaction(
    connection: Connection[Any], migration: str, handover: Handover, force_rollback: bool
) -> Iterator[Transaction]:
    """As `connection.transaction`."""
    is_outermost = _is(connection, TransactionStatus.IDLE)
    touched = Touched()
    with connection.transaction(force_rollback=force_rollback) as transaction:
        if is_outermost:
            connection.execute(FOLLOW_HERE)
        yield transaction
        if is_outermost and _is(connection, TransactionStatus.INTRANS) and handover.asks():
            with connection.cursor(row_factory=tuple_row) as cursor:
                touched = Touched.of(cursor.execute(READ_TOUCHED).fetchone(), migration)
    if transaction.status is Transaction.Status.COMMITTED:
        handover.deliver(touched)


@asynccontextmanager
async def delivered_async_transaction(
    connection: AsyncConnection[Any], migration: str, handover: Handover, force_rollback: bool
) -> AsyncIterator[AsyncTransaction]:
    """As `connection.transaction`."""
    is_outermost = _is(connection, TransactionStatus.IDLE)
    touched = Touched()
    async with connection.transaction(force_rollback=force_rollback) as transaction:
        if is_outermost:
            await connection.execute(FOLLOW_HERE)
        yield transaction
        if is_outermost and _is(connection, TransactionStatus.INTRANS) and handover.asks():
            async with connection.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(READ_TOUCHED)
                touched = Touched.of(await cursor.fetchone(), migration)
    if transaction.status is AsyncTransaction.Status.COMMITTED:
        await handover.deliver_async(touched)


def _is(connection: Connection[Any] | AsyncConnection[Any], status: TransactionStatus) -> bool:
    return connection.info.transaction_status is status
