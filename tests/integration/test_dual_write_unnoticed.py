"""An application's own errors, rollbacks and results are the same without the library, with it, and with it while
DynamoDB is down: each scenario is carried out in all three ways."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, event, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from pipelines.dualwrite import DualWriter
from pipelines.target.embedded import EmbeddedDynamoDB
from tests.captured_shop import Captured, captured, database
from tests.delivered_shop import MAPPING, WRITTEN_SHOP, tables
from tests.dual_written_shop import Order, Seat, client_of, sqlalchemy_url
from tests.shop_writer import SMALL, transactions

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Way:
    """How the application is run. `writer`: None without the library."""

    engine: Engine
    sessions: sessionmaker[Session]
    writer: DualWriter | None


@pytest.fixture(scope="module")
def shop(
    postgres_server: str, dynamodb_server: EmbeddedDynamoDB, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Captured]:
    with pytest.MonkeyPatch.context() as environment, database(postgres_server, "unnoticed") as url:
        dynamodb_server.reset()
        for name, value in dynamodb_server.environment().items():
            environment.setenv(name, value)
        yield tables(captured(url, tmp_path_factory.mktemp("unnoticed"), WRITTEN_SHOP, MAPPING)).shop


@pytest.fixture(scope="module")
def ways(shop: Captured) -> Iterator[list[Way]]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as black_hole:
        nowhere = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        made = [_way(shop, None, False), _way(shop, None, True), _way(shop, nowhere, True)]
        yield made
        for way in made:
            if way.writer is not None:
                way.writer.close()
            way.engine.dispose()


def _way(shop: Captured, endpoint: str | None, written: bool) -> Way:
    engine = create_engine(sqlalchemy_url(shop.url))
    sessions = sessionmaker(engine)
    if not written:
        return Way(engine, sessions, None)
    writer = DualWriter(shop.migration, engine, client_of(endpoint), deadline_seconds=2.0 if endpoint is None else 0.05)
    return Way(engine, sessions, writer.attach(sessions))


Told = list[Any]
"""What the application has seen, in order."""


def tried(told: Told, work: Callable[[], object]) -> None:
    try:
        told.append(("done", work()))
    except (SQLAlchemyError, psycopg.Error) as error:
        of_server = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(of_server, "sqlstate", None)
        told.append((type(error).__name__, state, getattr(error, "connection_invalidated", None), type(of_server)))


def commits(way: Way, told: Told) -> None:
    with way.sessions() as session:
        order = Order(id=1, customer=1, note="a")
        session.add(order)
        tried(told, session.commit)
        told.append((session.in_transaction(), order.note, way.engine.pool.status()))


def rolls_back(way: Way, told: Told) -> None:
    with way.sessions() as session:
        session.add(Order(id=1, customer=1))
        session.flush()
        tried(told, session.rollback)
        session.add(Order(id=2, customer=1))
    tried(told, lambda: _begun(way, Order(id=3, customer=1), fails=True))


def _begun(way: Way, row: Order | Seat, fails: bool = False) -> None:
    with way.sessions.begin() as session:
        session.add(row)
        if fails:
            session.execute(text("SELECT 1 / 0"))


def violates_a_key(way: Way, told: Told) -> None:
    _begun(way, Order(id=1, customer=1))
    with way.sessions() as session:
        session.add(Order(id=1, customer=2))
        tried(told, session.commit)
        tried(told, session.commit)
        session.rollback()
        session.add(Order(id=2, customer=2))
        tried(told, session.commit)


def violates_a_deferred_key(way: Way, told: Told) -> None:
    """It is the COMMIT that fails."""
    with way.sessions() as session:
        session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        session.add_all([Order(id=1, customer=1), Seat(id=1, place="A"), Seat(id=2, place="A")])
        session.flush()
        tried(told, session.commit)
        session.rollback()
        tried(told, lambda: session.scalar(text("SELECT count(*) FROM seats")))


def cannot_be_serialised(way: Way, told: Told) -> None:
    serialisable = {"isolation_level": "SERIALIZABLE"}
    with way.sessions() as one, way.sessions() as other:
        for session in (one, other):
            session.connection(execution_options=serialisable)
            session.scalar(text("SELECT count(*) FROM orders"))
        one.add(Order(id=1, customer=1))
        one.flush()
        other.add(Order(id=2, customer=1))
        other.flush()
        tried(told, one.commit)
        tried(told, other.commit)


def savepoints(way: Way, told: Told) -> None:
    with way.sessions() as session:
        session.add(Order(id=1, customer=1))
        for id, fails in ((2, False), (1, True), (3, True)):

            def work(id: int = id, fails: bool = fails) -> None:
                with session.begin_nested():
                    session.execute(text(f"INSERT INTO orders VALUES ({id}, 1)"))
                    if fails:
                        session.execute(text("SELECT 1 / 0"))

            tried(told, work)
        tried(told, session.commit)


def closes_without_a_commit(way: Way, told: Told) -> None:
    session = way.sessions()
    session.add(Order(id=1, customer=1))
    session.flush()
    tried(told, session.close)
    tried(told, session.commit)


def forgets_its_session(way: Way, told: Told) -> None:
    """The garbage collector gives the connection back, and rolls back."""
    session = way.sessions()
    session.add(Order(id=1, customer=1))
    session.flush()
    del session
    gc.collect()
    told.append(way.engine.pool.status())


def joins_a_transaction(way: Way, told: Told) -> None:
    modes = ("conditional_savepoint", "rollback_only", "control_fully", "create_savepoint")
    for number, mode in enumerate(modes):
        for outer_commits in (True, False):
            with way.engine.connect() as connection:
                outer = connection.begin()
                id = 10 * number + outer_commits
                with way.sessions(bind=connection, join_transaction_mode=mode) as session:
                    session.add(Order(id=id, customer=1))
                    tried(told, session.commit)
                    session.add(Order(id=id + 100, customer=1))
                    session.flush()
                    tried(told, session.rollback)
                told.append(outer.is_active)
                if outer.is_active:
                    tried(told, outer.commit if outer_commits else outer.rollback)


def only_reads(way: Way, told: Told) -> None:
    with way.sessions() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        tried(told, lambda: session.scalar(text("SELECT count(*) FROM orders")))
        tried(told, session.commit)
        session.execute(text("SET TRANSACTION READ ONLY"))
        tried(told, lambda: session.execute(text("INSERT INTO orders VALUES (1, 1)")) and None)
        tried(told, session.commit)


def commits_each_statement(way: Way, told: Told) -> None:
    with way.sessions() as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        session.execute(text("INSERT INTO orders VALUES (1, 1)"))
        tried(told, session.rollback)
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        session.execute(text("INSERT INTO orders VALUES (2, 1)"))
        tried(told, session.commit)


def commits_what_has_failed(way: Way, told: Told) -> None:
    """PostgreSQL rolls it back without an error."""
    with way.sessions() as session:
        session.execute(text("INSERT INTO orders VALUES (1, 1)"))
        tried(told, lambda: session.execute(text("SELECT 1 / 0")))
        tried(told, session.commit)


def loses_its_connection(way: Way, told: Told) -> None:
    with way.sessions() as session:
        session.add(Order(id=1, customer=1))
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(way.engine.url.set(drivername="postgresql").render_as_string(False)) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        tried(told, session.commit)
        tried(told, session.rollback)
    tried(told, lambda: _begun(way, Order(id=2, customer=1)))


def in_two_phases(way: Way, told: Told) -> None:
    """The server allows none."""
    with way.sessions(twophase=True) as session:
        session.add(Order(id=1, customer=1))
        tried(told, session.commit)
        session.rollback()


def listens_itself(way: Way, told: Told) -> None:
    """Its own events come as before, and sees the statements that it has sent, no others."""
    seen: Told = []

    def write_more(session: Session) -> None:
        with way.sessions.begin() as other:
            other.add(Seat(id=1, place="A"))

    def statement(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(way.engine, "before_cursor_execute", statement)
    try:
        with way.sessions() as session:
            for name in ("before_commit", "after_commit", "after_rollback", "after_soft_rollback"):
                event.listen(session, name, lambda *_, name=name: seen.append(name))
            event.listen(session, "after_commit", write_more, once=True)
            session.add(Order(id=1, customer=1))
            tried(told, session.commit)
            session.add(Order(id=1, customer=1))
            tried(told, session.commit)
        told += seen
    finally:
        event.remove(way.engine, "before_cursor_execute", statement)


def writes_at_random(way: Way, told: Told) -> None:
    for transaction in transactions("unnoticed", 80, SMALL):

        def work(transaction: Any = transaction) -> None:
            with way.sessions.begin() as session:
                session.connection(execution_options={"isolation_level": transaction.level})
                for statement, undone in zip(transaction.statements, transaction.undone, strict=True):
                    nested = session.begin_nested() if undone else nullcontext()
                    with nested:
                        for one in statement.split(";"):
                            session.execute(text(one))
                        if undone:
                            nested.rollback()  # type: ignore[union-attr]
                if transaction.rolled_back:
                    session.rollback()

        tried(told, work)


def asynchronously(way: Way, told: Told) -> None:
    async def work() -> None:
        engine = create_async_engine(way.engine.url)
        sessions = async_sessionmaker(engine)
        if way.writer is not None:
            DualWriter(way.writer._migration, engine, way.writer._dynamodb, deadline_seconds=0.5).attach(sessions)
        async with sessions() as session:
            session.add(Order(id=1, customer=1))
            await session.commit()
            session.add(Order(id=1, customer=1))
            with pytest.raises(DBAPIError) as failed:
                await session.commit()
            told.append((type(failed.value), failed.value.orig.sqlstate))  # type: ignore[union-attr]
            await session.rollback()
            async with session.begin_nested():
                session.add(Seat(id=1, place="A"))
            await session.commit()
            told.append((await session.scalars(select(Seat.place))).all())
        await engine.dispose()

    asyncio.run(work())


def with_psycopg_alone(way: Way, told: Told) -> None:
    with psycopg.connect(way.engine.url.set(drivername="postgresql").render_as_string(False)) as connection:
        begin = connection.transaction if way.writer is None else partial(way.writer.transaction, connection)

        def work(*statements: str, swallows: bool = False) -> None:
            with begin():
                for statement in statements:
                    with suppress(*([psycopg.Error] if swallows else [])):
                        connection.execute(statement.encode())

        tried(told, partial(work, "INSERT INTO orders VALUES (1, 1)"))
        tried(told, partial(work, "INSERT INTO orders VALUES (2, 1)", "SELECT 1 / 0"))
        tried(told, partial(work, "INSERT INTO orders VALUES (3, 1)", "SELECT 1 / 0", swallows=True))
        same_place = "INSERT INTO seats VALUES (1, 'A'), (2, 'A')"
        tried(told, partial(work, "SET CONSTRAINTS ALL DEFERRED", same_place))
        tried(told, partial(work, "SET TRANSACTION READ ONLY", "INSERT INTO orders VALUES (4, 1)"))
        told.append(connection.info.transaction_status)


SCENARIOS = (
    commits, rolls_back, violates_a_key, violates_a_deferred_key, cannot_be_serialised, savepoints,
    closes_without_a_commit, forgets_its_session, joins_a_transaction, only_reads, commits_each_statement,
    commits_what_has_failed, loses_its_connection, in_two_phases, listens_itself, writes_at_random, asynchronously,
    with_psycopg_alone,
)  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_the_same_with_and_without(scenario: Callable[[Way, Told], None], shop: Captured, ways: list[Way]) -> None:
    outcomes = [_outcome(scenario, shop, way) for way in ways]
    assert outcomes[0][0], "nothing was seen"
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]


def _outcome(scenario: Callable[[Way, Told], None], shop: Captured, way: Way) -> tuple[Told, Told]:
    """What was seen, and all rows afterwards."""
    shop.run("TRUNCATE orders, lines, products, seats")
    told: Told = []
    scenario(way, told)
    rows = [sorted(map(repr, shop.ask(f"SELECT * FROM {table}"))) for table in ("orders", "lines", "products", "seats")]
    return told, rows


def test_with_the_library_it_was_delivered_meanwhile(shop: Captured, ways: list[Way]) -> None:
    """Or the comparison would prove nothing."""
    _, with_library, while_down = ways
    assert with_library.writer is not None and while_down.writer is not None
    commits(with_library, [])
    assert with_library.writer.counts().left_to_relay == {} != while_down.writer.counts().left_to_relay


def test_nothing_is_handed_over_whose_commit_fails(shop: Captured, ways: list[Way]) -> None:
    way = ways[1]
    assert way.writer is not None
    shop.run("TRUNCATE orders, lines, products, seats")
    before = way.writer.counts().commits
    violates_a_deferred_key(way, [])
    assert way.writer.counts().commits == before


@pytest.mark.parametrize("plain", [False, True])
def test_a_reading_that_is_cancelled_is_told(
    plain: bool, shop: Captured, ways: list[Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    """[swallowed: a COMMIT that has quietly rolled back]"""
    way = ways[1]
    assert way.writer is not None
    shop.run("TRUNCATE orders, lines")
    for module in ("sessions", "plain"):
        monkeypatch.setattr(f"pipelines.dualwrite.{module}.READ_TOUCHED", "SELECT pg_sleep(20)::text, 'on'")
    if plain:
        with (
            psycopg.connect(shop.url) as connection,
            pytest.raises(psycopg.errors.QueryCanceled),
            way.writer.transaction(connection),
        ):
            connection.execute("INSERT INTO orders VALUES (1, 1)")
            connection.execute("SET LOCAL statement_timeout TO '50ms'")
    else:
        with pytest.raises(DBAPIError) as failed, way.sessions.begin() as session:
            session.execute(text("INSERT INTO orders VALUES (1, 1)"))
            session.execute(text("SET LOCAL statement_timeout TO '50ms'"))
        assert isinstance(failed.value.orig, psycopg.errors.QueryCanceled)
    assert shop.ask("SELECT * FROM orders") == []
