"""Commits that wait until their items are in DynamoDB: which items, how long, and what they cost."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from pipelines.capture import upgrade_capture
from pipelines.dualwrite import DualWriter
from pipelines.dualwrite.waiting import Reason
from pipelines.tables import create_tables
from tests.captured_shop import Captured, captured, database
from tests.delivered_shop import (
    LEASES_END,
    MAPPING,
    SCHEMA,
    Delivering,
    assert_equal_stores,
    assert_versions_are_the_ledgers,
    live,
    put,
    stored,
    tables,
)
from tests.dual_written_shop import Application, Line, Order, Seat, application, async_application, sqlalchemy_url
from tests.gated_endpoint import LONGEST_SECONDS, GatedEndpoint
from tests.taciturn_endpoint import taciturn_endpoint

pytestmark = pytest.mark.integration

PATIENT = 20.0
"""A deadline that no commit meets here unless something is wrong."""


@pytest.fixture(scope="module")
def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "dual_written") as url:
        yield captured(url, tmp_path_factory.mktemp("dual_written"), SCHEMA, MAPPING)


@pytest.fixture
def shop(installed: Captured, dynamodb_environment: str) -> Delivering:
    installed.run("TRUNCATE orders, lines, products, seats", "INSERT INTO products VALUES (7, 'pen')")
    installed.forget()
    return tables(installed)


@pytest.fixture
def app(shop: Delivering) -> Iterator[Application]:
    with application(shop.shop, deadline_seconds=PATIENT) as app:
        yield app


@pytest.fixture
def gated(dynamodb_environment: str) -> Iterator[GatedEndpoint]:
    with GatedEndpoint(dynamodb_environment).serving() as endpoint:
        yield endpoint


def test_a_commit_returns_once_its_items_are_delivered(shop: Delivering, app: Application) -> None:
    app.put(Order(id=1, customer=1, note="a"), Seat(id=1, place="A1", guest="Ann"))
    assert live("orders").keys() == {"C1/O1"} and live("seats").keys() == {"A1"}
    app.put(Line(order_id=1, n=1, product=7))
    assert live("orders")["C1/O1"]["lines"]["L"][0]["M"]["what"]["M"]["name"] == {"S": "pen"}
    with app.sessions.begin() as session:
        session.execute(text("UPDATE orders SET customer = 2"))  # no row of this session's
    assert "C2/O1" in live("orders")
    with app.sessions.begin() as session:
        session.connection().exec_driver_sql("DELETE FROM seats")
    assert "_deleted" in stored("seats")["A1"]
    app.writer.close()
    assert_equal_stores(shop)
    assert_versions_are_the_ledgers(shop)
    counts = app.writer.counts()
    assert (counts.commits, counts.delivered, counts.left_to_relay) == (4, 5, {})
    assert sum(counts.waits) == 4 and counts.waited_seconds > 0


def test_one_round_trip_whatever_is_touched(shop: Delivering, gated: GatedEndpoint) -> None:
    """Each put is answered only when all of them have been sent. [one after the other: none ever is]"""
    with application(shop.shop, gated.url, deadline_seconds=PATIENT) as app:
        app.put(Order(id=1, customer=1))
        gated.actions.clear()
        gated.only_together(43)
        app.put(*(Order(id=n, customer=1) for n in range(2, 42)), *(Seat(id=n, place=f"A{n}") for n in range(3)))
        assert gated.actions == ["PutItem"] * 43
        app.writer.close()
        counts = app.writer.counts()
        assert (counts.commits, counts.delivered, counts.left_to_relay) == (2, 44, {})


def test_a_commit_does_not_wait_for_the_keys_that_its_rows_have_left(shop: Delivering, gated: GatedEndpoint) -> None:
    """The second write of the item, its tombstone, is not let through before the commit has returned."""
    with application(shop.shop, gated.url, deadline_seconds=PATIENT) as app:
        app.put(Order(id=1, customer=1))
        returned = threading.Event()
        first = iter([True])
        gated.gate = lambda: next(first, False) or returned.wait(LONGEST_SECONDS)
        app.put(Order(id=1, customer=2))
        attempts, last_error = shop.item("order", 1)[3:5]
        assert (attempts, last_error) == (0, None)  # the delivery goes on
        returned.set()
        assert app.writer.counts().left_to_relay == {}
    assert_equal_stores(shop)
    assert "_deleted" in stored("orders")["C1/O1"]


def test_two_round_trips_for_a_conflict(shop: Delivering, gated: GatedEndpoint) -> None:
    """Of an endpoint that does not say what it has refused a put for."""
    put("seats", {"pk": {"S": "A1"}, "note": {"S": "somebody else's"}})
    gated.actions.clear()
    with taciturn_endpoint(gated.url) as url, application(shop.shop, url, deadline_seconds=PATIENT) as app:
        app.put(Seat(id=1, place="A1"))
        assert [action for action in gated.actions if action != "DescribeTable"] == ["PutItem", "GetItem"]
        app.writer.close()
        assert app.writer.counts().conflicts == 1
    assert live("seats")["A1"]["note"] == {"S": "somebody else's"}


def test_the_clients_own_credentials_are_used(shop: Delivering, gated: GatedEndpoint) -> None:
    client = boto3.client(
        "dynamodb", "eu-west-3", endpoint_url=gated.url, aws_access_key_id="OWN", aws_secret_access_key="x"
    )
    create_tables(shop.shop.migration.mapping, client)
    gated.actions.clear()
    gated.signed.clear()
    engine = create_engine(sqlalchemy_url(shop.shop.url))
    with DualWriter(shop.shop.migration, engine, client, deadline_seconds=PATIENT) as writer:
        sessions = sessionmaker(engine)
        writer.attach(sessions)
        with sessions.begin() as session:
            session.add(Order(id=1, customer=1))
    engine.dispose()
    assert gated.actions == ["DescribeTable", "DescribeTable", "PutItem"]
    assert {(who.split("/")[0], who.split("/")[2]) for who in gated.signed} == {("OWN", "eu-west-3")}


def test_a_savepoint_that_is_rolled_back_is_not_delivered(shop: Delivering, app: Application) -> None:
    with app.sessions.begin() as session:
        session.add(Order(id=1, customer=1))
        with session.begin_nested():
            session.add(Order(id=2, customer=1))
        nested = session.begin_nested()
        session.add(Order(id=3, customer=1))
        session.flush()
        nested.rollback()
    assert live("orders").keys() == {"C1/O1", "C1/O2"}
    app.writer.close()
    assert app.writer.counts().delivered == 2


def test_what_is_rolled_back_touches_nothing(shop: Delivering, app: Application) -> None:
    with app.sessions() as session:
        session.add(Order(id=1, customer=1))
        session.flush()
        session.rollback()
        session.add(Order(id=2, customer=1))
        session.flush()
    with app.sessions() as session:
        assert session.get(Order, 1) is None
        session.commit()
    assert app.writer.counts().commits == 0
    assert stored("orders") == {}


def test_many_commits_of_one_row_all_arrive(shop: Delivering, app: Application) -> None:
    """Each finds the item under way for the one before. [its lease: left to the relay]"""
    app.put(Order(id=1, customer=1))

    def write(thread: int) -> None:
        for n in range(8):
            with app.sessions.begin() as session:
                session.execute(text(f"UPDATE orders SET note = '{thread}.{n}'"))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert app.writer.counts().left_to_relay == {}
    assert_equal_stores(shop)


def test_factories_of_all_kinds(shop: Delivering, app: Application) -> None:
    class Own(Session):
        pass

    registry = scoped_session(sessionmaker(app.engine))
    app.writer.attach(registry).attach(Own)
    with registry.begin():
        registry.add(Order(id=1, customer=1))
    registry.remove()
    with Own(app.engine) as own, own.begin():
        own.add(Order(id=2, customer=1))
    with Session(app.engine) as other, other.begin():
        other.add(Order(id=3, customer=1))
    assert live("orders").keys() == {"C1/O1", "C1/O2"}


def test_async_commits_wait_and_the_event_loop_goes_on(shop: Delivering, gated: GatedEndpoint) -> None:
    """The put is let through by the event loop itself. [blocked: it never would]"""
    letting = threading.Event()
    gated.gate = lambda: letting.wait(LONGEST_SECONDS)

    async def let_through() -> None:
        while not gated.arrived.acquire(blocking=False):
            await asyncio.sleep(0.01)
        letting.set()

    async def write(sessions: Any) -> list[str]:
        async with asyncio.TaskGroup() as group:
            group.create_task(let_through())
            async with sessions() as session:
                session.add(Order(id=1, customer=1))
                await session.commit()
                found = list(live("orders"))
        async with sessions.begin() as session:
            session.add(Seat(id=1, place="A1"))
        await sessions.kw["bind"].dispose()
        return [*found, *live("seats")]

    with async_application(shop.shop, gated.url) as (writer, sessions):
        assert asyncio.run(write(sessions)) == ["C1/O1", "A1"]
        assert writer.counts().left_to_relay == {}
    assert isinstance(sessions(), AsyncSession)


def test_plain_psycopg(shop: Delivering, app: Application) -> None:
    writer = app.writer
    with psycopg.connect(shop.shop.url) as connection:
        with writer.transaction(connection):
            connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            connection.execute("INSERT INTO orders VALUES (1, 1)")
            with writer.transaction(connection):
                connection.execute("INSERT INTO orders VALUES (2, 1)")
            with writer.transaction(connection, force_rollback=True):
                connection.execute("INSERT INTO orders VALUES (3, 1)")
            assert stored("orders") == {}
        assert live("orders").keys() == {"C1/O1", "C1/O2"}
        with writer.transaction(connection, force_rollback=True):
            connection.execute("INSERT INTO orders VALUES (4, 1)")
        with writer.transaction(connection):
            connection.execute("INSERT INTO orders VALUES (4, 1)")
            raise psycopg.Rollback
        with pytest.raises(psycopg.errors.UniqueViolation), writer.transaction(connection):
            connection.execute("INSERT INTO orders VALUES (1, 1)")
        assert connection.info.transaction_status.name == "IDLE"
    writer.close()
    assert writer.counts().delivered == 2


def test_plain_psycopg_async(shop: Delivering, app: Application) -> None:
    async def write() -> None:
        async with await psycopg.AsyncConnection.connect(shop.shop.url) as connection:
            async with app.writer.async_transaction(connection):
                await connection.execute("INSERT INTO orders VALUES (1, 1)")
                async with app.writer.async_transaction(connection, force_rollback=True):
                    await connection.execute("INSERT INTO orders VALUES (2, 1)")
            assert live("orders").keys() == {"C1/O1"}

    asyncio.run(write())
    app.writer.close()
    assert app.writer.counts().delivered == 1


def test_mode_async_leaves_all_to_the_relay(shop: Delivering, gated: GatedEndpoint) -> None:
    with application(shop.shop, gated.url, mode="async") as app:
        app.put(Order(id=1, customer=1))
        with psycopg.connect(shop.shop.url) as connection, app.writer.transaction(connection):
            connection.execute("INSERT INTO seats VALUES (1, 'A1')")
    assert gated.actions == []
    assert shop.drain().counts["written"] == 2
    assert_equal_stores(shop)


def test_more_than_there_is_room_for_is_left_to_the_relay(shop: Delivering) -> None:
    with application(shop.shop, deadline_seconds=0.1) as app:
        with app.sessions.begin() as session:
            session.execute(text("INSERT INTO seats SELECT n, 'A' || n FROM generate_series(1, 700) n"))
        assert app.writer.counts().left_to_relay == {Reason.TOO_MANY: 1}


def test_an_item_that_a_relay_has_claimed_is_waited_for(shop: Delivering, app: Application) -> None:
    app.put(Order(id=1, customer=1))
    app.writer.close()
    shop.run("UPDATE crossover.item SET lease_holder = 'other', lease_until = now() + interval '1 hour'")
    with application(shop.shop, deadline_seconds=PATIENT) as other:
        commit = threading.Thread(target=other.put, args=(Order(id=1, customer=1, note="free"),))
        commit.start()
        commit.join(0.3)
        assert commit.is_alive()
        shop.run(LEASES_END)
        commit.join()
        assert other.writer.counts().left_to_relay == {}
    assert_equal_stores(shop)


def test_a_session_that_forgets_its_setting_follows_again(shop: Delivering, app: Application) -> None:
    app.put(Order(id=1, customer=1))
    with app.sessions.begin() as session:
        session.execute(text("RESET ALL"))
        session.add(Order(id=2, customer=1))
    assert app.writer.counts().left_to_relay == {Reason.NOT_FOLLOWING: 1}
    app.put(Order(id=3, customer=1))
    assert live("orders").keys() == {"C1/O1", "C1/O3"}


def test_nothing_is_set_where_sessions_follow_already(
    shop: Delivering, app: Application, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By their role, their database or their pooler, which would not share a connection that has had a SET."""
    monkeypatch.setattr("pipelines.dualwrite.sessions.FOLLOW_ON", "SELECT 1 / 0")
    shop.run("ALTER DATABASE dual_written SET crossover.follow TO on")
    try:
        with caplog.at_level(logging.DEBUG, "pipelines.dualwrite"):
            app.put(Order(id=1, customer=1))
    finally:
        shop.run("ALTER DATABASE dual_written RESET crossover.follow")
    assert live("orders").keys() == {"C1/O1"} and caplog.records == []


def await_marked(shop: Delivering) -> None:
    """Until what was put counts as delivered in the ledger, and no session is at it any more."""
    deadline = time.monotonic() + LONGEST_SECONDS
    at_work = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'crossover%' AND state <> 'idle'"
    undelivered = "SELECT 1 FROM crossover.log UNION ALL SELECT 1 FROM crossover.item WHERE due IS NOT NULL"
    while shop.shop.ask(undelivered) or shop.shop.ask(at_work):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_lost_ledger_connection_is_made_again(shop: Delivering, app: Application) -> None:
    app.put(Order(id=1, customer=1))
    await_marked(shop)  # a commit does not wait for that, and a connection that is lost in the middle is the relay's
    shop.run("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name LIKE 'crossover%'")
    app.put(Order(id=2, customer=1))
    assert live("orders").keys() == {"C1/O1", "C1/O2"}
    assert app.writer.counts().left_to_relay == {}


def test_a_new_epoch_is_taken_up(database_url: str, tmp_path: Path, dynamodb_environment: str) -> None:
    shop = tables(captured(database_url, tmp_path, SCHEMA, MAPPING))
    with application(shop.shop, deadline_seconds=PATIENT) as app:
        app.put(Order(id=1, customer=1))
        shop.run("ALTER TABLE orders DISABLE TRIGGER ALL")
        upgrade_capture(shop.shop.migration, shop.shop.url)
        app.put(Order(id=1, customer=1, note="after"))
        assert live("orders")["C1/O1"]["note"] == {"S": "after"}
        shop.run("UPDATE crossover.control SET capture = 'off'")
        app.put(Order(id=1, customer=1, note="off"))
        assert app.writer.counts().left_to_relay == {Reason.FAILED: 1}


def test_a_role_without_rights_to_the_ledger(shop: Delivering, caplog: pytest.LogCaptureFixture) -> None:
    """The application's own needs none where the ledger's URL is given; where it is not, commits succeed all the same,
    and the log says why once, without a password."""
    shop.run(
        "DROP ROLE IF EXISTS dual_writer",
        "CREATE ROLE dual_writer LOGIN PASSWORD 'secret-word'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO dual_writer",
    )
    user = shop.shop.url.split("//")[1].split("@")[0]
    poor = Captured(shop.shop.url.replace(user, "dual_writer:secret-word"), shop.shop.migration)
    try:
        with application(poor, deadline_seconds=PATIENT, ledger_url=shop.shop.url) as app:
            app.put(Order(id=1, customer=1))
            assert live("orders").keys() == {"C1/O1"}
        with caplog.at_level(logging.WARNING), application(poor, deadline_seconds=PATIENT) as app:
            for n in range(2, 6):
                app.put(Order(id=n, customer=1))
            assert app.writer.counts().left_to_relay == {Reason.FAILED: 1, Reason.CLOSED_WAY: 3}
        assert len(caplog.records) == 1 and "permission denied" in caplog.text and "secret-word" not in caplog.text
        shop.drain()
        assert_equal_stores(shop)
    finally:
        shop.run("DROP OWNED BY dual_writer", "DROP ROLE dual_writer")


def test_attach_takes_factories_only(app: Application) -> None:
    with pytest.raises(Exception, match="attach\\(\\) takes a sessionmaker"):
        app.writer.attach("sessions")  # type: ignore[arg-type]
    with pytest.raises(Exception, match="attach\\(\\) needs the engine"):
        DualWriter(app.writer._migration, None, ledger_url="postgresql://localhost/x").attach(app.sessions)
    assert sqlalchemy_url("postgresql://x") == "postgresql+psycopg://x"
