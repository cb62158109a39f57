"""TRUNCATE tells no rows; capture keeps what its items' keys were made of, where the primary key does not tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.captured_shop import Captured, captured, database, key
from tests.delivered_shop import MAPPING, SCHEMA, live, tables

pytestmark = pytest.mark.integration

ORDER_6, ORDER_7 = (key("order", order_id=n) for n in (6, 7))


@pytest.fixture(scope="module")
def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "capture_truncate") as url:
        yield captured(url, tmp_path_factory.mktemp("truncate"))


@pytest.fixture
def shop(installed: Captured) -> Captured:
    installed.refill(
        "INSERT INTO customers VALUES (1, 'C1')",
        "INSERT INTO orders VALUES (6, 1, 'placed'), (7, 1, 'draft')",
        "INSERT INTO lines VALUES (6, 1, NULL, 1)",
    )
    return installed


def left(shop: Captured) -> dict[str, str]:
    """Order → the customer that its key was made of."""
    found = shop.ask("SELECT old->>'order_id', old->>'customer_id' FROM crossover.log WHERE old IS NOT NULL")
    return dict(found)


def test_truncate_of_a_root_keeps_the_keys_that_its_rows_had(shop: Captured) -> None:
    """[only a backfill had put the item, and its key is not made of the primary key alone: `extra` for ever]"""
    shop.run("SET search_path TO ''; SET session_replication_role = replica; TRUNCATE public.orders CASCADE")
    assert left(shop) == {"6": "1", "7": "1"}
    assert {ORDER_6, ORDER_7} <= shop.touched()


def test_truncate_of_an_embedded_table_reads_nothing(shop: Captured) -> None:
    shop.run("TRUNCATE lines")
    assert (shop.log(), shop.marks()) == ([], [("order", "", None, None)])


def test_a_truncate_that_waited_for_a_writer_keeps_the_writers_row(shop: Captured) -> None:
    with shop.session() as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO orders VALUES (8, 1)")
        truncating = threading.Thread(target=lambda: shop.run("TRUNCATE orders CASCADE"))
        truncating.start()
        while not shop.ask("SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"):
            time.sleep(0.01)
        writer.execute("COMMIT")
        truncating.join()
    assert left(shop) == {"6": "1", "7": "1", "8": "1"}


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_truncate_with_an_old_snapshot_keeps_what_it_sees(shop: Captured, level: str) -> None:
    """TRUNCATE does not obey snapshots (PostgreSQL, 13.6): a row that came after this one goes with the others, and
    nobody knows the key of its item but through its own log row. Verification finds it."""
    with shop.session(level) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT FROM orders")
        shop.run("INSERT INTO orders VALUES (8, 1)")
        connection.execute("TRUNCATE orders CASCADE")
        connection.execute("COMMIT")
    assert left(shop) == {"6": "1", "7": "1"}
    assert key("order", order_id=8) in shop.log()


def test_what_is_rolled_back_is_left_nowhere(shop: Captured) -> None:
    shop.run("BEGIN; TRUNCATE orders CASCADE; ROLLBACK")
    assert (left(shop), shop.marks()) == ({}, [])


def test_the_items_of_a_truncated_root_go(database_url: str, tmp_path: Path, dynamodb_environment: str) -> None:
    """As a backfill leaves them: in the target, and in no row of the ledger."""
    shop = tables(captured(database_url, tmp_path, SCHEMA, MAPPING))
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 1)", "INSERT INTO seats VALUES (1, 'A', 'Ann')")
    shop.drain()
    shop.run("DELETE FROM crossover.item")
    assert len(live("orders")) == 2
    shop.run("TRUNCATE orders, lines, seats")
    assert shop.drain().set_apart == ()
    assert (live("orders"), live("seats"), shop.shop.log()) == ({}, {}, [])
