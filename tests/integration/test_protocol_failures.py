"""Each failure that shaped a rule of docs/protocol.md, as a test of its name on PostgreSQL and DynamoDB.

Each fails when its rule is taken out: `tests.integration.rules_taken_out` does so, and `make torture` shows it. The
races are played by hand, one statement of one session after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines import capture
from pipelines.capture import install_capture, uninstall_capture, upgrade_capture
from pipelines.deliver import deliverer as deliverer_module
from pipelines.deliver.sweep import WAIT_SECONDS
from pipelines.errors import StageError
from pipelines.source.ledger import marks
from pipelines.source.ledger.steps import Step, run_steps
from pipelines.target.conditional_write import Sent
from tests.captured_shop import Captured, captured, database, opened
from tests.delivered_shop import (
    EPOCH,
    LEASES_END,
    MAPPING,
    SCHEMA,
    Delivering,
    assert_equal_stores,
    between,
    held_back,
    live,
    put,
    source_key,
    stored,
    swept,
    tables,
    versions,
)
from tests.integration.rules_taken_out import RULES_TAKEN_OUT
from tests.torture import TORTURE

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "protocol_failures") as url:
        yield captured(url, tmp_path_factory.mktemp("protocol"), SCHEMA, MAPPING)


@pytest.fixture
def shop(installed: Captured, dynamodb_environment: str) -> Delivering:
    installed.run("TRUNCATE orders, lines, products, seats")
    installed.forget()
    return tables(installed)


@pytest.fixture
def own_shop(database_url: str, tmp_path: Path, dynamodb_environment: str) -> Delivering:
    """For what is done to the capture itself."""
    return tables(captured(database_url, tmp_path, SCHEMA, MAPPING))


class DiedError(BaseException):
    """Stands for a kill: nothing of ours runs after it."""


def die(*_: object) -> None:
    raise DiedError


def test_fan_out_race(shop: Delivering) -> None:
    """A product is renamed while a line with it is inserted; neither transaction sees the other."""
    shop.run("INSERT INTO products VALUES (7, 'old')", "INSERT INTO orders VALUES (1, 1)")
    shop.drain()
    with shop.shop.session() as insert, shop.shop.session() as rename:
        insert.execute("BEGIN; INSERT INTO lines VALUES (1, 1, 7)")
        rename.execute("BEGIN; UPDATE products SET name = 'new' WHERE id = 7")
        insert.execute("COMMIT")
        shop.drain()
        assert "old" in str(live("orders"))
        rename.execute("COMMIT")
    shop.drain()
    assert_equal_stores(shop)


def test_key_change_race(shop: Delivering) -> None:
    """Order 6 moves from C1 to C2 while a line of order 6 is inserted."""
    shop.run("INSERT INTO orders VALUES (6, 1)")
    shop.drain()
    with shop.shop.session() as move, shop.shop.session() as insert:
        move.execute("BEGIN; UPDATE orders SET customer = 2 WHERE id = 6")
        insert.execute("BEGIN; INSERT INTO lines VALUES (6, 1, NULL)")
        move.execute("COMMIT")
        shop.drain()
        insert.execute("COMMIT")
    shop.drain()
    assert_equal_stores(shop)


def test_mark_after_crash(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay dies between a mark's end and the log rows that it becomes."""
    shop.run("INSERT INTO products VALUES (7, 'old')", "INSERT INTO orders VALUES (1, 1)",
             "INSERT INTO lines VALUES (1, 1, 7)")  # fmt: skip
    shop.drain()
    shop.run("UPDATE products SET name = 'new'")
    with monkeypatch.context() as patch:
        patch.setattr(marks, "_append", die)
        with pytest.raises(DiedError):
            shop.drain()
    shop.drain()
    assert_equal_stores(shop)


def test_mark_after_crash_of_a_delivery(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay dies before it has sent anything; another one after it has, before it marks."""
    shop.run("INSERT INTO orders VALUES (1, 1)")
    for name in ("writes", "mark_delivered"):
        with monkeypatch.context() as patch:
            patch.setattr(deliverer_module, name, die)
            with pytest.raises(DiedError), shop.deliverer() as deliverer:
                deliverer.deliver("order", [source_key(1)])
        with shop.deliverer() as deliverer:
            assert deliverer.deliver("order", [source_key(1)]).busy == (source_key(1),)
        shop.run(LEASES_END)
    assert shop.item("order", 1)[1] is None
    assert shop.drain().counts["done"] == 1
    assert shop.item("order", 1)[1] == EPOCH + 1
    assert_equal_stores(shop)


def test_late_put_after_sweep(shop: Delivering) -> None:
    """A put is still under way when its item is deleted, and the tombstone swept."""
    shop.run("INSERT INTO orders VALUES (1, 1)")
    late = held_back(shop, "order", 1)
    shop.run("DELETE FROM orders WHERE id = 1")
    shop.drain()
    swept(shop, WAIT_SECONDS)
    assert [answer.sent for answer in late()] == [Sent.REFUSED]
    assert_equal_stores(shop)


def test_refused_is_not_delivered(shop: Delivering) -> None:
    """Somebody else's item at the same version: what is there is not what was to be written."""
    shop.run("INSERT INTO orders VALUES (1, 1)")
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "O1"}, "note": {"S": "?"}, "_v": {"N": str(EPOCH + 1)}})
    assert shop.drain().counts["conflict"] == 1
    assert shop.item("order", 1)[1] is None
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "O1"}, "_v": {"N": "1"}})
    shop.drain()
    assert_equal_stores(shop)


def test_foreign_item(shop: Delivering) -> None:
    """An item without `_v` is neither overwritten nor deleted."""
    foreign = {"pk": {"S": "C1"}, "sk": {"S": "O1"}, "theirs": {"S": "x"}}
    put("orders", foreign)
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 1)")
    drained = shop.drain()
    assert stored("orders")["C1/O1"] == foreign
    assert [one.source_key for one in drained.set_apart] == [source_key(1)]
    assert drained.counts["conflict"] == 1
    _, delivered, _, attempts, error, leased = shop.item("order", 1)
    assert (delivered, attempts, leased) == (None, 1, None)
    assert error.startswith("conflict")
    shop.run("DELETE FROM orders WHERE id = 1")
    shop.drain()
    assert stored("orders")["C1/O1"] == foreign


def test_too_high_version(shop: Delivering) -> None:
    """It would refuse every write for ever, and each of them would be called superseded."""
    shop.run("INSERT INTO orders VALUES (1, 1)")
    put("orders", {"pk": {"S": "C1"}, "sk": {"S": "O1"}, "_v": {"N": str(EPOCH * 9)}})
    drained = shop.drain()
    assert [one.source_key for one in drained.set_apart] == [source_key(1)]
    assert shop.item("order", 1)[1] is None


def test_truncate(shop: Delivering) -> None:
    """It fires no row trigger."""
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 2)", "INSERT INTO lines VALUES (1, 1, NULL), (2, 1, NULL)")
    shop.drain()
    shop.run("TRUNCATE lines")
    shop.drain()
    assert_equal_stores(shop)


def test_truncate_beside_a_reading(shop: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not obey snapshots: the rows would be gone, at the old version."""
    shop.run("INSERT INTO orders VALUES (1, 1)", "INSERT INTO lines VALUES (1, 1, NULL)")

    def truncate() -> None:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            shop.run("SET lock_timeout = '50ms'; TRUNCATE lines")

    between(monkeypatch, "pipelines.deliver.reading", "read_versions", truncate)
    shop.drain()
    assert_equal_stores(shop)


def test_reinstall(own_shop: Delivering) -> None:
    """Versions would begin again below those that are in DynamoDB, and every write be refused."""
    shop = own_shop
    shop.run("INSERT INTO orders VALUES (1, 1)", *["UPDATE orders SET note = coalesce(note, '') || 'x'"] * 4)
    shop.drain()
    uninstall_capture(shop.shop.migration, shop.shop.url)
    install_capture(shop.shop.migration, shop.shop.url)
    shop.run("UPDATE orders SET note = 'new'")
    shop.drain()
    assert_equal_stores(shop)


def test_two_rows_holding_one_key_over_time(shop: Delivering) -> None:
    """The first one's tombstone has a higher version than the row that takes the key."""
    shop.run("INSERT INTO seats VALUES (1, 'A', 'Ann'), (2, 'B', 'Bob')")
    shop.run(*[f"UPDATE seats SET guest = 'Ann {n}' WHERE id = 1" for n in range(5)])
    shop.drain()
    late = held_back(shop, "seat", 1)
    shop.run(LEASES_END, "DELETE FROM seats WHERE id = 1")
    shop.drain()
    shop.run("UPDATE seats SET place = 'A' WHERE id = 2")
    drained = shop.drain()
    assert_equal_stores(shop)
    assert drained.set_apart == ()
    assert drained.counts["taken_over"] == 1
    assert stored("seats")["A"]["_s"] == {"S": source_key(2)}
    shop.run("DELETE FROM seats WHERE id = 2")
    shop.drain()
    late()
    assert live("seats") == {}


def test_mapping_upgrade(own_shop: Delivering, tmp_path: Path) -> None:
    """A relay of the older mapping goes on: its items would stand at the versions of the newer one's."""
    shop = own_shop
    shop.run("INSERT INTO orders VALUES (1, 1)", "INSERT INTO seats VALUES (1, 'A', 'Ann')")
    other = opened(tmp_path, MAPPING.replace("table: seats, from", "table: seats, exclude: [guest], from"))
    with shop.deliverer() as deliverer:
        upgrade_capture(other, shop.shop.url)
        shop.run("UPDATE seats SET place = 'B'")
        with pytest.raises(StageError, match="epoch 2 of small has begun"):
            deliverer.deliver("seat", [source_key(1)])
    upgraded = Delivering(Captured(shop.shop.url, other))
    assert upgraded.drain().set_apart == ()
    assert [set(item) for item in live("seats").values()] == [{"pk", "id", "place"}]


def test_mapping_upgrade_between_read_and_mark(
    own_shop: Delivering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read in an epoch counts in no other."""
    shop = own_shop
    shop.run("INSERT INTO orders VALUES (1, 1)")
    other = opened(tmp_path, MAPPING.replace("table: seats, from", "table: seats, exclude: [guest], from"))
    url = shop.shop.url
    between(monkeypatch, "pipelines.deliver.deliverer", "mark_delivered", lambda: upgrade_capture(other, url))
    with pytest.raises(StageError, match="epoch 2 of small has begun"), shop.deliverer() as deliverer:
        deliverer.deliver("order", [source_key(1)])
    shop.run(LEASES_END)
    assert Delivering(Captured(url, other)).drain().counts["written"] == 1
    assert versions("orders") == {"C1/O1": 2 * EPOCH + 1}


def test_replica_role(shop: Delivering) -> None:
    """A session with `session_replication_role = replica` fires no ordinary trigger."""
    shop.run("INSERT INTO orders VALUES (1, 1), (2, 1)", "INSERT INTO lines VALUES (1, 1, NULL)")
    shop.drain()
    shop.run(
        "SET session_replication_role = replica; UPDATE orders SET note = 'x' WHERE id = 1;"
        "DELETE FROM orders WHERE id = 2; TRUNCATE lines"
    )
    shop.drain()
    assert_equal_stores(shop)


def test_half_installed_capture(
    database_url: str, tmp_path: Path, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some tables have triggers, others not yet: what is written to these goes by unseen."""
    migration = opened(tmp_path, MAPPING)
    shop = tables(Captured(database_url, migration))
    shop.run(SCHEMA)

    def some(connection: Connection[TupleRow], steps: Sequence[Step]) -> None:
        run_steps(connection, steps[:3])
        die()

    with monkeypatch.context() as patch:
        patch.setattr(capture, "run_steps", some)
        with pytest.raises(DiedError):
            install_capture(migration, database_url)
    shop.run("INSERT INTO orders VALUES (1, 1)", "INSERT INTO lines VALUES (1, 1, NULL)")
    with pytest.raises(StageError, match="capture"):
        shop.drain()
    assert stored("orders") == {}
    install_capture(migration, database_url)
    shop.run("UPDATE orders SET note = 'x'")
    shop.drain()
    assert_equal_stores(shop)


@pytest.mark.skipif(not TORTURE, reason="make torture")
@pytest.mark.parametrize("name", RULES_TAKEN_OUT)
def test_without_its_rule(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which error it is does not matter: the failure is seen."""
    test: Callable[..., None] = globals()[f"test_{name}"]
    arguments = {
        one: request.getfixturevalue("own_shop" if one == "shop" else one) for one in signature(test).parameters
    }
    for shop in arguments.values():
        if isinstance(shop, Delivering):
            RULES_TAKEN_OUT[name].in_database(shop.run)
    RULES_TAKEN_OUT[name].in_engine(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(**arguments)
