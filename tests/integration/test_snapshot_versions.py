"""Versions of snapshots and of online reads: of the very instant that the rows are of, whoever writes meanwhile."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from pyspark.sql import SparkSession

from pipelines.denormalise import make_records
from pipelines.mapping.outcome import OnlineItem
from pipelines.snapshot import take_snapshot
from pipelines.source import live
from pipelines.source.connect import connect
from pipelines.source.cut import Cut
from pipelines.source.ledger.compaction import compact
from pipelines.source.ledger.marks import expand_marks
from pipelines.source.ledger.state import read_state
from pipelines.source.ledger.steps import connect_writable
from pipelines.source.ledger_part import LedgerWanted, Uncaptured, see_ledger
from pipelines.source.versioned import read_versioned
from pipelines.warehouse.dataset import RECORDS, read_bucket
from pipelines.warehouse.manifest import LedgerSeen, SnapshotManifest
from pipelines.warehouse.place import Place
from tests.captured_shop import Captured, Key, captured
from tests.on_disk import on_disk

pytestmark = pytest.mark.integration

FIRST = 2**40
ORDERS = range(1, 9)
WITH_LINE = 8  # the item of this order changes by its product, too
SEEN_IN = """
SELECT item_type, source_key, sum(n)::int8 FROM (
    SELECT item_type, source_key, base AS n FROM crossover.item UNION ALL
    SELECT item_type, source_key, 1 FROM crossover.log
) AS touches GROUP BY item_type, source_key
"""


def order(number: int) -> Key:
    return "order", f'{{"order_id":"{number}"}}'


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Captured:
    shop = captured(database_url, tmp_path)
    shop.run(
        "INSERT INTO customers VALUES (1, 'Ann')",
        "INSERT INTO products VALUES (7, 'a')",
        *(f"INSERT INTO orders (order_id, customer_id, total) VALUES ({n}, 1, 0)" for n in ORDERS),
        f"INSERT INTO lines VALUES ({WITH_LINE}, 1, 7, 1)",
    )
    shop.forget()
    return shop


def online(shop: Captured, connection: Connection[TupleRow], numbers: Sequence[int] = ORDERS) -> list[OnlineItem]:
    plan = shop.plan()
    state = read_state(connection, plan, 1)
    assert state.gap is None
    return read_versioned(connection, plan, plan.item("order"), [{"order_id": str(n)} for n in numbers], state)


def versions_in(shop: Captured, manifest: SnapshotManifest) -> dict[Key, int]:
    """What the snapshot's own file says."""
    assert manifest.ledger is not None
    file = on_disk(shop.migration.folder.snapshot(manifest.id) / manifest.ledger.file)
    return {(row["item_type"], row["source_key"]): row["version"] for row in pq.read_table(file).to_pylist()}


@contextmanager
def busy(shop: Captured) -> Iterator[None]:
    """Writers, a compactor and an expander, until the end of the block; what fails in them fails it."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run(seed: int) -> None:
        chance = random.Random(seed)
        try:
            with shop.session() as connection:
                while not stop.is_set():
                    number = chance.choice(ORDERS)
                    connection.execute("UPDATE orders SET total = total + 1 WHERE order_id = %s", (number,))
                    if chance.random() < 0.1:
                        connection.execute("UPDATE products SET name = %s", (str(chance.random()),))
        except BaseException as error:
            failures.append(error)

    def relay() -> None:
        plan = shop.plan()
        try:
            with connect_writable(shop.url) as connection:
                while not stop.is_set():
                    expand_marks(connection, plan, 2)
                    compact(connection, "small", 5)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(3)] + [threading.Thread(target=relay)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures


def test_bulk_online_and_plain_sql_agree_while_others_write(
    shop: Captured, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`total` counts an order's changes by itself: it is the oracle that never looks into the ledger."""
    seen: list[OnlineItem] = []
    by_hand: dict[Key, int] = {}

    def also_online(cut: Cut, wanted: LedgerWanted, folder: Place) -> LedgerSeen | Uncaptured:
        (snapshot,) = cut.coordinator.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        with connect(shop.url) as reader:
            reader.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())
            seen.extend(online(shop, reader))
            for item_type, source_key, count in reader.execute(SEEN_IN.encode()):
                by_hand[item_type, source_key] = FIRST + count
        return see_ledger(cut, wanted, folder)

    monkeypatch.setattr(live, "see_ledger", also_online)
    with busy(shop):
        manifest = take_snapshot(shop.migration, shop.url)
    make_records(shop.migration, spark, manifest.id, 1)
    records = shop.migration.folder.records(manifest.id) / RECORDS
    rows = read_bucket(records, 0, ["item_type", "source_key", "item", "version"]).to_pylist()
    bulk = {row["source_key"]: row["version"] for row in rows if row["item_type"] == "order"}
    totals = {row["source_key"]: json.loads(row["item"])["total"]["S"] for row in rows if row["item_type"] == "order"}
    assert len(bulk) == len(ORDERS)
    assert bulk == {one.source_key: one.version for one in seen}
    assert bulk == {key: by_hand.get(("order", key), FIRST) for key in bulk}
    plain = [order(n)[1] for n in ORDERS if n != WITH_LINE]
    assert {key: bulk[key] - FIRST for key in plain} == {key: int(totals[key]) for key in plain}
    assert sum(bulk.values()) > FIRST * len(bulk)
    assert {row["version"] for row in rows if row["item_type"] == "product"} <= set(by_hand.values()) | {FIRST}


def test_what_happens_between_the_cut_and_the_reading_of_the_ledger_is_not_seen(
    shop: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("UPDATE orders SET total = 1 WHERE order_id = 1", "UPDATE products SET name = 'b'")

    def late(cut: Cut, wanted: LedgerWanted, folder: Place) -> LedgerSeen | Uncaptured:
        shop.run("UPDATE orders SET total = 2 WHERE order_id < 3")
        assert shop.expand() == 1
        with connect_writable(shop.url) as relay:
            compact(relay, "small")
        return see_ledger(cut, wanted, folder)

    monkeypatch.setattr(live, "see_ledger", late)
    manifest = take_snapshot(shop.migration, shop.url)
    assert versions_in(shop, manifest) == {order(1): FIRST + 1, ("product", '{"product_id":"7"}'): FIRST + 1}
    monkeypatch.undo()
    later = versions_in(shop, take_snapshot(shop.migration, shop.url))
    assert later == {
        order(1): FIRST + 2,
        order(2): FIRST + 1,
        order(WITH_LINE): FIRST + 1,
        ("product", '{"product_id":"7"}'): FIRST + 1,
    }


def test_an_online_read_says_the_same_until_its_transaction_ends(shop: Captured) -> None:
    shop.run("UPDATE orders SET total = 1 WHERE order_id = 1", "UPDATE products SET name = 'b'")
    with connect(shop.url) as reader, connect_writable(shop.url) as relay:
        before = online(shop, reader, (1, 2, WITH_LINE, 99))
        assert [((one.version or 0) - FIRST, one.marked) for one in before] == [
            (1, False),
            (0, False),
            (0, True),
            (0, False),
        ]
        expand_marks(relay, shop.plan())
        compact(relay, "small")
        assert online(shop, reader, (1, 2, WITH_LINE, 99)) == before
        reader.commit()
        after = online(shop, reader, (1, 2, WITH_LINE))
        assert [((one.version or 0) - FIRST, one.marked) for one in after] == [(1, False), (0, False), (1, False)]


def test_without_a_ledger_versions_are_0_and_the_manifest_says_why(
    database_url: str, tmp_path: Path, spark: SparkSession
) -> None:
    shop = captured(database_url, tmp_path)
    shop.run("DROP SCHEMA crossover CASCADE", "INSERT INTO customers VALUES (1)", "INSERT INTO orders VALUES (6, 1)")
    manifest = take_snapshot(shop.migration, shop.url)
    assert (manifest.captured, manifest.uncaptured, manifest.ledger) == (False, "capture is not installed", None)
    make_records(shop.migration, spark, manifest.id, 1)
    records = shop.migration.folder.records(manifest.id) / RECORDS
    assert read_bucket(records, 0, ["version"])["version"].to_pylist() == [0, 0]
    with connect(shop.url) as reader:
        plan = shop.plan()
        (found,) = read_versioned(
            reader, plan, plan.item("order"), [{"order_id": "6"}], read_state(reader, plan, 1)
        )  # fmt: skip
    assert (found.version, found.marked) == (0, False)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("ALTER TABLE lines DISABLE TRIGGER ALL", "table public.lines: the insert trigger"),
        ("UPDATE crossover.control SET capture = 'off'", "capture: off"),
        ("UPDATE crossover.control SET mapping_hash = 'x'", "mapping: another one"),
        ("UPDATE crossover.control SET epoch = 0", "epoch: 0 in the database, 1 in the warehouse"),
        ("UPDATE crossover.control SET lineage = '1/1'", "database: it was restored"),
        ("DELETE FROM crossover.control", "capture is not installed"),
    ],
)
def test_any_gap_makes_a_snapshot_without_versions(shop: Captured, statement: str, reason: str) -> None:
    shop.run(statement)
    manifest = take_snapshot(shop.migration, shop.url)
    assert not manifest.captured
    assert manifest.uncaptured.startswith(reason)
    assert manifest.ledger is None


def test_a_gap_that_is_mended_after_the_cut_is_one_still(shop: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the snapshot sees counts: capture is switched on when the cut exists."""
    shop.run("UPDATE crossover.control SET capture = 'off'")

    def late(cut: Cut, wanted: LedgerWanted, folder: Place) -> LedgerSeen | Uncaptured:
        shop.run("UPDATE crossover.control SET capture = 'on'")
        return see_ledger(cut, wanted, folder)

    monkeypatch.setattr(live, "see_ledger", late)
    assert not take_snapshot(shop.migration, shop.url).captured


def test_the_manifest_says_epoch_sweeps_and_which_item_types_have_a_ledger(database_url: str, tmp_path: Path) -> None:
    shop = captured(
        database_url,
        tmp_path,
        "CREATE TABLE a (id int PRIMARY KEY, n int); CREATE UNLOGGED TABLE b (LIKE a INCLUDING ALL)",
        "migration: small\ntarget: {tables: {ttt: {partition_key: {name: pk, type: S}}}}\nitems:\n"
        '  a: {table: ttt, from: a, key: {pk: "A#{id}"}}\n'
        '  b: {table: ttt, from: b, key: {pk: "B#{id}"}}\n',
    )
    shop.run("UPDATE crossover.control SET sweeps = 3", "INSERT INTO a VALUES (1, 1), (2, 2)")
    manifest = take_snapshot(shop.migration, shop.url)
    ledger = manifest.ledger
    assert ledger is not None
    assert (ledger.epoch, ledger.sweeps, ledger.first_version, ledger.item_types) == (1, 3, FIRST, ("a",))
    assert ledger.known == 2


def test_a_role_that_may_not_ask_for_the_lineage_gets_its_snapshot(shop: Captured) -> None:
    """The refusal ends no transaction."""
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader_of_versions")
        connection.execute("CREATE ROLE reader_of_versions LOGIN PASSWORD 'x' IN ROLE pg_read_all_data")
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    try:
        host = shop.url.rpartition("@")[2]
        manifest = take_snapshot(shop.migration, f"postgresql://reader_of_versions:x@{host}")
        assert manifest.captured, manifest.uncaptured
    finally:
        shop.run("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC", "DROP ROLE reader_of_versions")


def test_a_role_that_may_not_read_the_ledger_gets_a_snapshot_without_versions(shop: Captured) -> None:
    shop.run(
        "DROP ROLE IF EXISTS reader_of_rows",
        "CREATE ROLE reader_of_rows LOGIN PASSWORD 'x'",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_of_rows",
    )
    try:
        host = shop.url.rpartition("@")[2]
        manifest = take_snapshot(shop.migration, f"postgresql://reader_of_rows:x@{host}")
        assert (manifest.captured, manifest.ledger) == (False, None)
        assert manifest.uncaptured.startswith("the role may not read")
    finally:
        shop.run("DROP OWNED BY reader_of_rows", "DROP ROLE reader_of_rows")
