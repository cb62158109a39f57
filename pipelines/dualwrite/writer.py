"""DualWriter: an application attaches it to its sessions, and writes to its database as before.

    writer = DualWriter("shop.yaml", engine, boto3.client("dynamodb")).attach(SessionMaker)

A commit of an attached session returns once the items that its transaction has touched are in DynamoDB, or its deadline
has passed: then the relay delivers them, for the ledger has them as undelivered. docs/dual-write.md
"""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from psycopg import AsyncConnection, AsyncTransaction, Connection, Transaction
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from pipelines.dualwrite.counts import Counts
from pipelines.dualwrite.handover import Handover
from pipelines.dualwrite.opening import Opening, ledger_address, opened_migration
from pipelines.dualwrite.plain import delivered_async_transaction, delivered_transaction
from pipelines.dualwrite.sessions import Listener, SessionFactory
from pipelines.errors import UsageError
from pipelines.migration import Migration

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEADLINE_SECONDS = 1.0
WORKERS = 4


class DualWriter:
    """For the life of a process, and of those that it forks; for any number of threads and event loops. A context
    manager that closes it at its end."""

    def __init__(
        self,
        mapping: Migration | Path | str,
        engine: Engine | AsyncEngine | None,
        dynamodb: DynamoDBClient | None = None,
        *,
        mode: Literal["sync", "async"] = "sync",
        ledger_url: str | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        workers: int = WORKERS,
    ) -> None:
        """`engine`: the application's; None where it has psycopg's connections only. `dynamodb`: a boto3 client, whose
        endpoint, region and credentials are used; without it AWS's settings. `ledger_url`: of the ledger's database,
        where the engine's own role has no right to the ledger. `deadline_seconds`: so long a commit waits at most.
        `workers`: so many connections to the ledger each process opens at most, when there is work for them.

        mode "sync": commits wait; "async": nothing is done here, the relay delivers all.
        Nothing is connected to yet. Raises UsageError, MappingError, WarehouseError.
        """
        if mode not in ("sync", "async"):
            raise UsageError(f"mode {mode!r}: give 'sync' or 'async'")
        if deadline_seconds <= 0 or workers < 1:
            raise UsageError("deadline_seconds must be above 0 and workers at least 1")
        self._migration = opened_migration(mapping)
        self._mode = mode
        self._engine = engine
        self._dynamodb = dynamodb
        self._ledger_url = ledger_address(engine, ledger_url) if mode == "sync" else ""
        self._deadline_seconds = deadline_seconds
        self._workers = workers
        self._handovers: dict[int, Handover] = {}
        self._listener: Listener | None = None

    def attach(self, factory: SessionFactory) -> Self:
        """To a sessionmaker, an async_sessionmaker, a scoped_session or a class of sessions: to the sessions that it
        makes from now on. Raises UsageError."""
        if self._mode == "async":
            return self
        if self._engine is None:
            raise UsageError("attach() needs the engine of the sessions")
        if self._listener is None:
            self._listener = Listener(self._name, self._engine, self._handover)
        self._listener.attach(factory)
        return self

    def transaction(
        self, connection: Connection[Any], *, force_rollback: bool = False
    ) -> AbstractContextManager[Transaction]:
        """`connection.transaction()`, after whose end the items are delivered."""
        if self._mode == "async":
            return connection.transaction(force_rollback=force_rollback)
        return delivered_transaction(connection, self._name, self._handover(), force_rollback)

    def async_transaction(
        self, connection: AsyncConnection[Any], *, force_rollback: bool = False
    ) -> AbstractAsyncContextManager[AsyncTransaction]:
        """As `transaction`, of an async connection."""
        if self._mode == "async":
            return connection.transaction(force_rollback=force_rollback)
        return delivered_async_transaction(connection, self._name, self._handover(), force_rollback)

    def counts(self) -> Counts:
        """Of this process, since it began."""
        return self._handover().counts()

    def close(self) -> None:
        """What is on its way is delivered, within the deadline. Later commits are left to the relay."""
        self._handover().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _name(self) -> str:
        return self._migration.mapping.migration

    def _handover(self) -> Handover:
        """This process's own: a fork has none of its parent's threads. The parent's is kept, unused, for to let go of
        it would end connections that are the parent's."""
        own = self._handovers.get(os.getpid())
        if own is None:
            opening = Opening(self._migration, self._ledger_url, self._dynamodb)
            made = Handover(self._name, opening, self._deadline_seconds, self._workers)
            own = self._handovers.setdefault(os.getpid(), made)
        return own
