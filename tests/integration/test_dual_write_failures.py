"""Dual write while something is down or dies: commits succeed, later ones do not wait, and the relay delivers all."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from pipelines.dualwrite.breaker import Breaker
from pipelines.dualwrite.waiting import Reason
from pipelines.source.ledger.health import set_paused
from tests.captured_shop import Captured, captured, database
from tests.delivered_shop import LEASES_END, MAPPING, SCHEMA, Delivering, assert_equal_stores, live, stored, tables
from tests.dual_written_shop import Order, Seat, application
from tests.fault_proxy import FaultProxy
from tests.faults import Fault
from tests.gated_endpoint import LONGEST_SECONDS, GatedEndpoint

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "dual_write_failures") as url:
        yield captured(url, tmp_path_factory.mktemp("failures"), SCHEMA, MAPPING)


@pytest.fixture
def shop(installed: Captured, dynamodb_environment: str) -> Delivering:
    installed.run("TRUNCATE orders, lines, products, seats")
    installed.forget()
    return tables(installed)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("down", ["black_hole", "nobody"])
def test_dynamodb_is_away_from_the_beginning(
    shop: Delivering, down: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """Three commits at most wait out their deadline. [without the breaker: all of them]"""
    with (
        caplog.at_level(logging.WARNING),
        application(shop.shop, request.getfixturevalue(down), deadline_seconds=0.05) as app,
    ):
        for n in range(8):
            app.put(Order(id=n, customer=1), Seat(id=n, place=f"A{n}"))
        counts = app.writer.counts()
        assert counts.commits == sum(counts.left_to_relay.values()) == 8
        assert 1 <= sum(counts.waits) <= 3
        assert counts.left_to_relay[Reason.CLOSED_WAY] >= 5
    assert len(caplog.records) <= 2
    assert stored("orders") == {}
    shop.run(LEASES_END)
    assert shop.drain().set_apart == ()
    assert_equal_stores(shop)


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.ERROR_500, Fault.THROTTLED])
def test_dynamodb_goes_away_and_comes_back(
    shop: Delivering, fault: Fault, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One commit in each pause is tried while it does not wait; once one arrives, commits wait again."""
    monkeypatch.setattr("pipelines.dualwrite.handover.Breaker", partial(Breaker, 0.05))
    down: list[Fault] = []
    with (
        FaultProxy(dynamodb_environment, lambda number, body: down[0] if down else None).serving() as proxy,
        application(shop.shop, proxy.url, deadline_seconds=0.3) as app,
    ):
        app.put(Order(id=0, customer=1))
        down.append(fault)
        for n in range(1, 6):
            app.put(Order(id=n, customer=1))
        assert app.writer.counts().left_to_relay[Reason.CLOSED_WAY] >= 1
        down.clear()
        shop.run(LEASES_END)
        before = sum(app.writer.counts().waits)
        for n in range(1000, 2000):
            app.put(Order(id=n, customer=1))
            if sum(app.writer.counts().waits) > before:
                break
        assert f"C1/O{n}" in live("orders")
        app.writer.close()
    shop.run(LEASES_END)
    assert shop.drain().set_apart == ()
    assert_equal_stores(shop)


def test_while_deliveries_are_paused_nobody_waits(
    shop: Delivering, dynamodb_environment: str, caplog: pytest.LogCaptureFixture
) -> None:
    with shop.session() as session:
        set_paused(session, True)
    with caplog.at_level(logging.WARNING), application(shop.shop, dynamodb_environment, deadline_seconds=20.0) as app:
        for n in range(3):
            app.put(Order(id=n, customer=1))
        assert app.writer.counts().left_to_relay == {Reason.FAILED: 1, Reason.CLOSED_WAY: 2}
    assert [record.message for record in caplog.records if "paused" in record.message] != []
    assert stored("orders") == {}
    with shop.session() as session:
        set_paused(session, False)
    shop.drain()
    assert_equal_stores(shop)


def test_closing_does_not_wait_for_who_is_opening(shop: Delivering, black_hole: str) -> None:
    with application(shop.shop, black_hole, deadline_seconds=0.05) as app:
        app.put(Order(id=1, customer=1))
    assert any(thread.name == "crossover-dualwrite" for thread in threading.enumerate())


def test_killed_between_commit_and_delivery(shop: Delivering, dynamodb_environment: str) -> None:
    letting = GatedEndpoint(dynamodb_environment)
    with letting.serving():
        letting.only_together(2)  # the application's, which is never answered, and nobody's
        with _started(shop.shop, letting.url, "commit") as process:
            assert letting.arrived.acquire(timeout=LONGEST_SECONDS)
            process.kill()
            out, _ = process.communicate()
            assert out == b""
    with psycopg.connect(shop.shop.url) as connection:
        assert connection.execute("SELECT id FROM orders").fetchall() == [(1,)]
    assert stored("orders") == {}
    shop.run(LEASES_END)
    shop.drain()
    assert_equal_stores(shop)


def test_a_fork_delivers_by_itself(shop: Delivering, dynamodb_environment: str) -> None:
    with _started(shop.shop, dynamodb_environment, "fork") as process:
        out, _ = process.communicate(timeout=LONGEST_SECONDS * 3)
    assert (process.returncode, out.decode()) == (0, "1: {}\n2: {}\n3: {}\n")
    assert live("orders").keys() == {"C1/O1", "C1/O2", "C1/O3"}


@contextmanager
def _started(shop: Captured, endpoint: str, what: str) -> Iterator[subprocess.Popen[bytes]]:
    migration = shop.migration
    command = [sys.executable, "-m", "tests.dual_write_app", shop.url, str(migration.path)]
    environment = {**os.environ, "AWS_ENDPOINT_URL_DYNAMODB": endpoint}
    warehouse = Path(str(migration.folder.root)).parent
    with subprocess.Popen([*command, str(warehouse), what], stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()
