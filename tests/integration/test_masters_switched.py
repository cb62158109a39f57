"""Writers go on while the real switch moves their group there and back: no write is lost, none counts twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from operator import methodcaller
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

from pipelines.masters import ItemWriter, Masters
from pipelines.reading import save_catalog
from pipelines.source.ledger.masters import Phase
from pipelines.tables import create_tables
from pipelines.writes import back
from pipelines.writes.switch import switch
from tests.captured_shop import Captured, captured, database
from tests.masters_shop import MAPPING, SCHEMA
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

LEASE_SECONDS = 2.5
THREADS = 4


@pytest.fixture(scope="module")
def installed(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "masters_switched") as url:
        yield captured(url, tmp_path_factory.mktemp("switched"), SCHEMA, MAPPING)


@pytest.fixture
def shop(installed: Captured, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> Captured:
    monkeypatch.setattr(back, "LEASE_SECONDS", 0.1)
    monkeypatch.setattr(back, "LEASE_MARGIN_SECONDS", 0.2)
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", installed.url)
    create_tables(installed.migration.mapping, boto3.client("dynamodb"))
    return installed


@pytest.fixture
def catalog(shop: Captured, tmp_path: Path) -> Path:
    save_catalog(shop.migration, tmp_path / "c.json")
    return tmp_path / "c.json"


def test_what_was_written_to_dynamodb_is_in_the_source_after_the_switch_back(shop: Captured, catalog: Path) -> None:
    """Also a row that had been deleted before the switch, and one that comes back at another key: what the ledger
    remembers of them is older."""
    shop.run(
        "INSERT INTO orders (order_id, customer_id, status, total)"
        " VALUES (1, 1, 'placed', 5), (2, 1, 'placed', 5), (3, 1, 'placed', NULL)",
        "INSERT INTO lines VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 1, 'c')",
        "DELETE FROM orders WHERE order_id = 3",
    )
    switch(shop.migration, shop.url, "order", Phase.DYNAMODB_FIRST)
    masters = Masters(shop.migration, catalog=catalog)

    def paid(order: dict[str, Any]) -> dict[str, Any]:
        return order | {"status": "paid", "lines": [{"line_no": 3, "sku": "z"}, *order["lines"]]}

    for write in (
        methodcaller("update", "order", paid, customer_id=1, order_id=1),
        methodcaller("move", "order", lambda order: order | {"customer_id": 9}, customer_id=1, order_id=2),
        methodcaller("put", "order", {"order_id": 3, "customer_id": 7, "status": "again"}),
        methodcaller(
            "put", "order", {"order_id": 4, "customer_id": 2, "status": "new", "lines": [{"line_no": 1, "sku": "q"}]}
        ),
        methodcaller("put", "order", {"order_id": 5, "customer_id": 2, "status": "new"}),
        methodcaller("delete", "order", customer_id=2, order_id=5),
        methodcaller("put", "order", {"order_id": 5, "customer_id": 3, "status": "again"}),
        methodcaller("delete", "order", customer_id=2, order_id=4),
    ):
        masters.write("order", rds=None, dynamodb=write)
    masters.close()
    switch(shop.migration, shop.url, "order", Phase.RDS_FIRST)
    assert shop.ask("SELECT order_id, customer_id, status, total FROM orders ORDER BY 1") == [
        (1, 1, "paid", 5),
        (2, 9, "placed", 5),
        (3, 7, "again", None),
        (5, 3, "again", None),
    ]
    assert shop.ask("SELECT * FROM lines ORDER BY 1, 2") == [(1, 1, "a"), (1, 2, "b"), (1, 3, "z"), (2, 1, "c")]


@pytest.mark.skipif(not TORTURE, reason="make torture")
def test_every_increment_counts_once_whichever_store_took_it(
    shop: Captured, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(back, "LEASE_SECONDS", LEASE_SECONDS)
    shop.run("INSERT INTO counters VALUES ('Hits', 0)")
    stop, counts, errors = threading.Event(), {"rds": 0, "dynamodb": 0}, []
    lock = threading.Lock()

    def count() -> None:
        masters = Masters(shop.migration, catalog=catalog, lease_seconds=LEASE_SECONDS)

        def dynamodb(items: ItemWriter) -> str:
            items.update("counter", more, name="Hits")
            return "dynamodb"

        with psycopg.connect(shop.url, autocommit=True) as connection:

            def rds() -> str:
                connection.execute("UPDATE counters SET n = n + 1 WHERE name = 'Hits'")
                return "rds"

            try:
                while not stop.is_set():
                    taken = masters.write("counter", rds=rds, dynamodb=dynamodb)
                    with lock:
                        counts[taken] += 1
            except BaseException as error:
                errors.append(error)
                stop.set()
        masters.close()

    writers = [threading.Thread(target=count) for _ in range(THREADS)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(3):
            for phase in (Phase.DYNAMODB_FIRST, Phase.RDS_FIRST):
                before = dict(counts)
                switch(shop.migration, shop.url, "counter", phase)
                taker = "dynamodb" if phase.is_dynamodb else "rds"
                until(lambda taker=taker, before=before: counts[taker] > before[taker] + 10)
    finally:
        stop.set()
        for writer in writers:
            writer.join(40)
    assert errors == []
    assert shop.ask("SELECT name, n FROM counters") == [("Hits", counts["rds"] + counts["dynamodb"])]


def more(counter: dict[str, Any]) -> dict[str, Any]:
    return counter | {"n": counter["n"] + 1}


def until(met: Any) -> None:
    ends = time.monotonic() + 20
    while not met():
        assert time.monotonic() < ends
        time.sleep(0.02)
