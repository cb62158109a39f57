"""Writers at the same time: what one of them does to an item is never lost, and none of them notices the capture."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from pipelines.source.ledger.compaction import compact
from pipelines.source.ledger.marks import expand_marks
from pipelines.source.ledger.steps import connect_writable
from pipelines.source.ledger.version import read_versions
from tests.captured_shop import Captured, captured, database, items, key

pytestmark = pytest.mark.integration

LEVELS = ("read committed", "repeatable read", "serializable")
ORDER_6, ORDER_7 = (key("order", order_id=n) for n in (6, 7))


@pytest.fixture(scope="module")
def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "capture_races") as url:
        yield captured(url, tmp_path_factory.mktemp("races"))


@pytest.fixture
def shop(installed: Captured) -> Captured:
    installed.refill(
        "INSERT INTO customers VALUES (1, 'C1'), (2, 'C2')",
        "INSERT INTO products VALUES (7, 'old'), (8, 'ink')",
        "INSERT INTO orders VALUES (6, 1), (7, 1)",
        "INSERT INTO lines VALUES (7, 1, 8, 1)",
    )
    return installed


@pytest.mark.parametrize("level", LEVELS)
def test_a_rename_beside_an_insert_of_a_line_reaches_the_order(shop: Captured, level: str) -> None:
    """[fan-out race: the line's item is delivered with the old name for ever]"""
    with shop.session(level) as rename, shop.session(level) as insert:
        insert.execute("BEGIN")
        insert.execute("INSERT INTO lines VALUES (6, 1, 7, 1)")
        rename.execute("UPDATE products SET name = 'new' WHERE product_id = 7")
        # what a fan-out inside the transaction would have found:
        assert shop.ask("SELECT FROM lines WHERE product_id = 7") == []
        delivered = state(shop, ORDER_6)
        insert.execute("COMMIT")
    while_open, version = state(shop, ORDER_6)
    assert "old" not in while_open
    shop.expand()
    after = state(shop, ORDER_6)
    assert "new" in after[0]
    assert after[1] > version > delivered[1]


@pytest.mark.parametrize("level", LEVELS)
def test_a_rename_that_commits_after_the_line_reaches_the_order(shop: Captured, level: str) -> None:
    """The other way round: the rename's own snapshot has no line of this order."""
    with shop.session(level) as rename, shop.session(level) as insert:
        rename.execute("BEGIN")
        rename.execute("UPDATE products SET name = 'new' WHERE product_id = 7")
        insert.execute("INSERT INTO lines VALUES (6, 1, 7, 1)")
        old = state(shop, ORDER_6)
        assert "old" in old[0]
        rename.execute("COMMIT")
    assert ("order", "lines.product", None, ["7"]) in shop.marks()
    shop.expand()
    new = state(shop, ORDER_6)
    assert "new" in new[0]
    assert new[1] > old[1]


def test_a_moved_order_beside_a_new_line_touches_both_keys(shop: Captured) -> None:
    """[key-change race: move order 6 from C1 to C2 ‖ insert a line of order 6]"""
    with shop.session() as move, shop.session() as insert:
        move.execute("BEGIN")
        insert.execute("BEGIN")
        insert.execute("INSERT INTO lines VALUES (6, 1, 8, 1)")
        move.execute("UPDATE orders SET customer_id = 2 WHERE order_id = 6")
        move.execute("COMMIT")
        first = state(shop, ORDER_6)
        insert.execute("COMMIT")
    second = state(shop, ORDER_6)
    assert second[0] != first[0]
    assert second[1] > first[1]
    assert set(shop.log()) == {ORDER_6, key("customer", customer_id=1), key("customer", customer_id=2)}


def test_a_mark_whose_expansion_died_is_still_there(shop: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """[mark after crash]"""
    shop.run("INSERT INTO lines VALUES (6, 1, 7, 1)", "UPDATE products SET name = 'new' WHERE product_id = 7")
    shop.run("DELETE FROM crossover.log")
    plan, before = shop.plan(), shop.marks()
    with connect_writable(shop.url) as dying:

        def die(*_: object) -> int:
            dying.close()
            raise psycopg.OperationalError("killed")

        with monkeypatch.context() as patch:
            patch.setattr("pipelines.source.ledger.marks._append", die)
            with pytest.raises(Exception, match=r"could not be expanded"):
                expand_marks(dying, plan)
    assert shop.marks() == before != []
    assert ORDER_6 in shop.touched()


def test_two_sessions_expand_each_mark_once(shop: Captured) -> None:
    shop.run("INSERT INTO lines VALUES (6, 1, 7, 1)", *["UPDATE products SET name = name || 'x'"] * 3)
    shop.run("DELETE FROM crossover.log")
    plan, marks = shop.plan(), len(shop.marks())
    with connect_writable(shop.url) as one, connect_writable(shop.url) as other:
        one.execute("BEGIN")
        one.execute("DELETE FROM crossover.mark WHERE ctid IN (SELECT ctid FROM crossover.mark LIMIT 2)")
        assert expand_marks(other, plan).marks == marks - 2
        one.execute("ROLLBACK")
        assert expand_marks(other, plan).marks == 2


@pytest.mark.parametrize("level", LEVELS)
def test_writers_in_opposite_order_neither_fail_nor_wait(shop: Captured, level: str) -> None:
    """[an upserted counter: 40001 under REPEATABLE READ, and deadlocks of writers in opposite order]

    Lines of the same two orders, in opposite order, one statement each in turn: without capture nobody waits.
    """
    with shop.session(level) as one, shop.session(level) as other:
        for connection in (one, other):
            connection.execute("SET lock_timeout = '100ms'; SET deadlock_timeout = '50ms'")
            connection.execute("BEGIN")
        one.execute("INSERT INTO lines VALUES (6, 11, 7, 1)")
        other.execute("INSERT INTO lines VALUES (7, 12, 7, 1)")
        one.execute("INSERT INTO lines VALUES (7, 11, 7, 1)")
        other.execute("INSERT INTO lines VALUES (6, 12, 7, 1)")
        one.execute("COMMIT")
        other.execute("COMMIT")
    assert sorted(shop.log()) == sorted([ORDER_6, ORDER_6, ORDER_7, ORDER_7])


@pytest.mark.parametrize("level", LEVELS)
def test_nobody_waits_for_relays_nor_fails_by_them(shop: Captured, level: str) -> None:
    """Compaction and expansion hold their locks while a writer comes, and commit while it is open."""
    shop.run("UPDATE orders SET total = 1", "UPDATE products SET name = 'x'")
    with shop.session(level) as writer, connect_writable(shop.url) as relay:
        writer.execute("SET lock_timeout = '100ms'")
        writer.execute("BEGIN")
        writer.execute("UPDATE orders SET total = 2 WHERE order_id = 6")
        relay.execute("BEGIN")
        compact(relay, "small")
        expand_marks(relay, shop.plan())
        writer.execute("UPDATE products SET name = 'y'")
        relay.execute("COMMIT")
        writer.execute("UPDATE orders SET total = 3 WHERE order_id = 7")
        writer.execute("COMMIT")


def test_many_serializable_writers_fail_no_more_with_capture(shop: Captured) -> None:
    """Each writes rows of its own, which SERIALIZABLE lets pass; all of them touch the same two orders."""
    failures: list[str] = []

    def write(number: int) -> None:
        with shop.session("serializable") as connection:
            for line in range(15):
                values = f"({6 + line % 2}, {1000 * number + line}, 7, 1)"
                try:
                    connection.execute(f"INSERT INTO lines VALUES {values}".encode())
                except psycopg.Error as error:
                    failures.append(str(error.sqlstate))

    in_threads([lambda n=n: write(n) for n in range(1, 5)])  # type: ignore[misc]
    assert failures == []
    assert len(shop.log()) == 60


def test_compaction_and_expansion_beside_writers_keep_every_count(shop: Captured) -> None:
    done = threading.Event()
    plan = shop.plan()

    def relay() -> None:
        with connect_writable(shop.url) as connection:
            while not done.is_set() or compact(connection, "small", 7).rows:
                expand_marks(connection, plan, 3)
                compact(connection, "small", 7)

    def write(number: int) -> None:
        with shop.session() as connection:
            for _ in range(25):
                connection.execute("UPDATE orders SET total = coalesce(total, 0) + 1 WHERE order_id = %s", (number,))

    relays = [threading.Thread(target=relay) for _ in range(2)]
    for one in relays:
        one.start()
    try:
        in_threads([lambda: write(6), lambda: write(7), lambda: write(6)])
    finally:
        done.set()
        for one in relays:
            one.join()
    assert shop.log() == []
    assert shop.ask("SELECT source_key, base FROM crossover.item WHERE item_type = 'order' ORDER BY 1") == [
        ('{"order_id":"6"}', 50),
        ('{"order_id":"7"}', 25),
    ]


def in_threads(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def state(shop: Captured, wanted: tuple[str, str]) -> tuple[str, int]:
    """An item's content and its version, in one snapshot."""
    with shop.session("repeatable read") as connection, connection.transaction():
        return items(connection).get(wanted, ""), read_versions(connection, "small", wanted[0], [wanted[1]])[wanted[1]]
