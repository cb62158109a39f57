"""What is delivered is not due, whoever comes late: lag would be told where there is none, until a relay mends it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psycopg
import pytest

from pipelines.source.ledger.compaction import compact
from pipelines.source.ledger.due import announce_left_keys
from pipelines.source.ledger.touch import touch
from tests.captured_shop import captured
from tests.delivered_shop import (
    EPOCH,
    MAPPING,
    SCHEMA,
    Delivering,
    assert_due_as_defined,
    between,
    source_key,
    tables,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(database_url: str, tmp_path: Path, dynamodb_environment: str) -> Delivering:
    found = tables(captured(database_url, tmp_path, SCHEMA, MAPPING))
    found.run("INSERT INTO orders VALUES (1, 1)")
    found.drain()
    return found


def test_a_touch_that_comes_after_its_own_delivery(shop: Delivering) -> None:
    with shop.session() as session:
        touch(session, "order", source_key(1), EPOCH + 5)
        assert shop.item("order", 1)[0] == 6
        shop.drain()
        for _ in range(2):
            touch(session, "order", source_key(1), EPOCH + 5)
            assert_due_as_defined(shop)
        touch(session, "order", source_key(2), 0)  # of which the ledger has not heard: undelivered from now on
    assert_due_as_defined(shop)
    shop.drain()
    assert_due_as_defined(shop)


def test_a_row_of_the_log_that_was_delivered_before_it_is_compacted(
    shop: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came between the claim, which folds, and the reading, which counts it."""
    shop.run("UPDATE orders SET note = 'a' WHERE id = 1")
    late = "UPDATE orders SET note = 'b' WHERE id = 1"
    between(monkeypatch, "pipelines.deliver.deliverer", "read", lambda: shop.run(late))
    with shop.deliverer() as deliverer:
        deliverer.deliver("order", [source_key(1)])
        assert shop.item("order", 1)[:2] == (2, EPOCH + 3)
        compact(deliverer.session.connection, deliverer.session.migration)
        assert shop.item("order", 1)[:2] == (3, EPOCH + 3)
        assert_due_as_defined(shop)
        shop.run("UPDATE orders SET note = 'c' WHERE id = 1")
        compact(deliverer.session.connection, deliverer.session.migration)
        assert_due_as_defined(shop)


def test_a_left_key_that_is_delivered_while_it_is_announced(shop: Delivering) -> None:
    """The announcement has seen the log row; when it comes to the item's row, another has folded and delivered it."""
    shop.run("UPDATE orders SET customer = 2 WHERE id = 1")
    with psycopg.connect(shop.shop.url) as other, shop.session() as session:
        other.execute("SELECT FROM crossover.item WHERE item_type = 'order' FOR UPDATE")
        announcing = threading.Thread(target=announce_left_keys, args=(session,))
        announcing.start()
        _wait_for_a_lock(shop)
        other.execute("DELETE FROM crossover.log")
        other.execute("UPDATE crossover.item SET base = base + 1, delivered = %s + base + 1", (EPOCH,))
        other.commit()
        announcing.join(60)
    assert not announcing.is_alive()
    assert_due_as_defined(shop)


def test_a_left_key_that_nobody_has_delivered_is_announced(shop: Delivering) -> None:
    shop.run("UPDATE orders SET customer = 2 WHERE id = 1")
    with shop.session() as session:
        announce_left_keys(session)
    assert shop.shop.ask("SELECT due IS NOT NULL, since IS NOT NULL FROM crossover.item") == [(True, True)]


def _wait_for_a_lock(shop: Delivering) -> None:
    deadline = time.monotonic() + 60
    waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not shop.shop.ask(waits):
        assert time.monotonic() < deadline
        time.sleep(0.02)
