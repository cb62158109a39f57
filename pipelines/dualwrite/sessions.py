"""SQLAlchemy's sessions: what a commit has touched is read in its transaction and delivered after it.

Events, and in which order they come (https://docs.sqlalchemy.org/en/20/orm/session_events.html):

checkout               of the engine's pool: the session's setting is made, once for each connection, in a transaction
                       of its own, so that no rollback of the application takes it back
after_begin            the session has a connection: it is known whose commits this one's are
commit                 of the connection, right before its COMMIT, and only where there is one: not where the session
                       has joined a transaction that goes on, nor for a savepoint, nor in two phases
after_commit           all connections of the session have committed
after_transaction_end  of the outermost: the connections are the pool's again, and now there is time to wait
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, SessionTransaction, scoped_session, sessionmaker
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from pipelines.dualwrite.handover import Handover
from pipelines.errors import UsageError
from pipelines.source.ledger.follow import FOLLOW_ON, READ_TOUCHED, Touched

SessionFactory = sessionmaker[Any] | async_sessionmaker[Any] | scoped_session[Any] | type[Session] | type[AsyncSession]

_FOLLOWS = "crossover.follow"
_FAILED_TRANSACTION = "25P02"

log = logging.getLogger(__name__)


@dataclass
class _Pending:
    """Of a session's transaction. `read`: before the COMMIT; `committed`: after it. A session that is forgotten, and
    never closed, gives its connections back as ever: nothing here holds them."""

    connections: WeakSet[Connection] = field(default_factory=WeakSet)
    read: list[Touched] = field(default_factory=list)
    committed: list[Touched] = field(default_factory=list)


class Listener:
    """For all sessions of the factories that it is attached to; `handover`: this process's."""

    def __init__(self, migration: str, engine: Engine | AsyncEngine, handover: Callable[[], Handover]) -> None:
        self._migration = migration
        self._handover = handover
        self._sessions: WeakKeyDictionary[Session, _Pending] = WeakKeyDictionary()
        self._connections: WeakKeyDictionary[Connection, _Pending] = WeakKeyDictionary()
        sync_engine = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
        event.listen(sync_engine, "checkout", _follow)
        event.listen(sync_engine, "commit", self._committing)

    def attach(self, factory: SessionFactory) -> None:
        """Raises UsageError where it is no factory of sessions."""
        target = _sync_factory(factory)
        event.listen(target, "after_begin", self._began)
        event.listen(target, "after_commit", self._committed)
        event.listen(target, "after_transaction_end", self._ended)

    def _began(self, session: Session, _: SessionTransaction, connection: Connection) -> None:
        pending = self._sessions.setdefault(session, _Pending())
        pending.connections.add(connection)
        self._connections[connection] = pending

    def _committing(self, connection: Connection) -> None:
        pending = self._connections.get(connection)
        if pending is not None and self._handover().asks():
            touched = _read(connection, self._migration)
            if touched is not None:
                pending.read.append(touched)

    def _committed(self, session: Session) -> None:
        pending = self._sessions.get(session)
        if pending is not None:
            pending.committed += pending.read
            pending.read.clear()

    def _ended(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is not None:
            return
        pending = self._sessions.pop(session, None)
        if pending is None:
            return
        for connection in pending.connections:
            self._connections.pop(connection, None)
        for touched in pending.committed:
            self._deliver(touched)

    def _deliver(self, touched: Touched) -> None:
        if in_greenlet():
            await_only(self._handover().deliver_async(touched))
        else:
            self._handover().deliver(touched)


def _sync_factory(factory: Any) -> Any:
    """What SQLAlchemy's events can be listened for on. An async factory's sessions get a class of their own."""
    if isinstance(factory, async_sessionmaker):
        own = factory.kw.get("sync_session_class") or factory.class_.sync_session_class
        target = type(own.__name__, (own,), {}) if isinstance(own, type) else own
        factory.configure(sync_session_class=target)
        return target
    if isinstance(factory, type) and issubclass(factory, AsyncSession):
        factory.sync_session_class = type("Session", (factory.sync_session_class,), {})
        return factory.sync_session_class
    if isinstance(factory, sessionmaker | scoped_session) or (
        isinstance(factory, type) and issubclass(factory, Session)
    ):
        return factory
    raise UsageError("attach() takes a sessionmaker, an async_sessionmaker, a scoped_session or a Session class")


def _follow(connection: Any, record: Any, _: object) -> None:
    """Of a connection that is in no transaction. One that cannot be asked any more is the application's to find.

    Nothing is set where it follows by a setting of its role or its pooler: RDS Proxy gives a client whose session has
    had a SET a server connection of its own.
    """
    if _FOLLOWS in record.info:
        return
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute(READ_TOUCHED)
            if not Touched.of(cursor.fetchone(), "").is_following:
                cursor.execute(FOLLOW_ON)
        connection.commit()
        record.info[_FOLLOWS] = True
    except Exception as error:
        log.debug("a connection could not be told to follow (%s)", type(error).__name__)
        _roll_back(connection)


def _roll_back(connection: Any) -> None:
    try:
        connection.rollback()
    except Exception as error:
        log.debug("a connection is lost (%s)", type(error).__name__)


def _read(connection: Connection, migration: str) -> Touched | None:
    """None where the transaction has failed before: the COMMIT rolls it back, as ever.

    Raises what a COMMIT would that fails so: the connection is lost; or it was the reading that made the transaction
    fail, and after it the COMMIT would quietly roll back.
    """
    try:
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute(READ_TOUCHED)
            found = Touched.of(cursor.fetchone(), migration)
    except BaseException as error:
        if _state(error) == _FAILED_TRANSACTION:
            return None
        connection._handle_dbapi_exception(error, None, None, None, None)  # as SQLAlchemy does around its commit
    if not found.is_following:
        connection.connection.info.pop(_FOLLOWS, None)
    return found


def _state(error: BaseException) -> str | None:
    """SQLSTATE, as the drivers have it."""
    state: str | None = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return state
