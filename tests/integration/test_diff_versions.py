"""The diff where the snapshot has versions: whose row a key is, and what the ledger knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from pipelines.backfill import run_backfill
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.dump import dump_tables
from pipelines.fanout import in_process
from pipelines.items.source_type import Kind
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.source.ledger_part import VERSIONS_SCHEMA
from pipelines.warehouse.manifest import DiffManifest, LedgerSeen
from tests.captured_shop import captured
from tests.delivered_shop import MAPPING as SHOP_MAPPING
from tests.delivered_shop import SCHEMA, Delivering, assert_equal_stores, tables
from tests.finished_stages import Row, finish_dump, finish_records, finish_snapshot, open_migration, table
from tests.on_disk import on_disk

pytestmark = pytest.mark.integration

MAPPING = """
migration: shop
target: {tables: {shop: {partition_key: {name: pk, type: S}}}}
items:
  order: {table: shop, from: orders, key: {pk: "ORDER#{order_id:010}"}}
  seat: {table: shop, from: seats, key: {pk: "SEAT#{place}"}}
  view: {table: shop, from: views, key: {pk: "VIEW#{view_id}"}}
checks: {thresholds: {rejected: 9}}
"""
TABLES = (table("orders", "order_id"), table("seats", "id", place=Kind.TEXT), table("views", "view_id"))
FIRST, NEXT = 1000, 2000

Known = tuple[str, int, int, bool]
"""Item type, id, version, undelivered."""


def order_key(number: int) -> str:
    return f'{{"pk":{{"S":"ORDER#{number:010}"}}}}'


def order(number: int, version: int = FIRST, note: str = "x") -> Row:
    item = f'{{"note":{{"S":"{note}"}},{order_key(number)[1:]}'
    return Row("order", "shop", order_key(number), item, f'{{"order_id":"{number}"}}', version)


def rejected(number: int) -> Row:
    return Row("order", "shop", order_key(number), None, f'{{"order_id":"{number}"}}')


def seat(place: str, owner: int, version: int = FIRST) -> Row:
    key = f'{{"pk":{{"S":"SEAT#{place}"}}}}'
    return Row("seat", "shop", key, f'{{"id":{{"N":"{owner}"}},{key[1:]}', f'{{"id":"{owner}"}}', version)


def view(number: int, version: int = 0, note: str = "x") -> Row:
    key = f'{{"pk":{{"S":"VIEW#{number}"}}}}'
    item = f'{{"note":{{"S":"{note}"}},{key[1:]}'
    return Row("view", "shop", key, item, f'{{"view_id":"{number}"}}', version)


def stored(row: Row, **changed: Any) -> Row:
    """As the dump has it: only seats say whose they are."""
    return Row(**{**vars(row), "source_key": row.source_key if row.item_type == "seat" else None, **changed})


class Comparison:
    def __init__(self, folder: Path, warehouse: Path) -> None:
        self.migration: Migration = open_migration(MAPPING, folder, warehouse)

    def of(
        self,
        source: Sequence[Row],
        target: Sequence[Row],
        known: Sequence[Known] = (),
        marked: tuple[str, ...] = (),
    ) -> dict[str, tuple[str, int | None]]:
        """Verdict and the source's version by key, of what is no match."""
        ledger = LedgerSeen(
            epoch=1,
            sweeps=0,
            first_version=FIRST,
            next_epoch=NEXT,
            item_types=("order", "seat"),
            marked=marked,
            known=len(known),
            file="ledger/versions.parquet",
        )
        finish_snapshot(self.migration, "s1", *TABLES, ledger=ledger)
        self._keep(known)
        finish_records(self.migration, "s1", source)
        finish_dump(self.migration, "d1", "s1", target)
        self.manifest = run_diff(self.migration, in_process, run_id="r1")
        assert self.manifest.mode == "ledger"
        files = sorted((on_disk(self.migration.folder.diff("r1")) / "differences").glob("*.parquet"))
        rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
        return {row["key"].split('"')[5]: (row["verdict"], row["source_version"]) for row in rows}

    def _keep(self, known: Sequence[Known]) -> None:
        names = {"order": "order_id", "seat": "id"}
        rows = [
            {
                "item_type": one,
                "source_key": f'{{"{names[one]}":"{id}"}}',
                "version": version,
                "undelivered": undelivered,
            }
            for one, id, version, undelivered in known
        ]
        folder = on_disk(self.migration.folder.snapshot("s1")) / "ledger"
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(rows, schema=VERSIONS_SCHEMA), folder / "versions.parquet")


@pytest.fixture
def comparison(tmp_path: Path, warehouse: Path) -> Comparison:
    return Comparison(tmp_path, warehouse)


def test_rows_that_are_gone_or_rejected_have_their_versions_still(comparison: Comparison) -> None:
    found = comparison.of(
        source=[order(1, 1005), order(2, 1005), rejected(3), rejected(4), order(10, 1003)],
        target=[
            stored(order(1, 1005)),
            stored(order(2, 1004, "old")),
            stored(order(3, 1002)),
            stored(order(4, 1003)),
            stored(order(5, 1004)),
            stored(order(6, 1001)),
            stored(order(7, 1007)),
            stored(order(8, 1000)),
            stored(order(9, 1001)),
            stored(order(10, 1002, "old")),
            stored(order(11, 2000)),
        ],
        known=[
            ("order", 1, 1005, False),
            ("order", 2, 1005, False),
            ("order", 3, 1002, False),
            ("order", 4, 1002, False),
            ("order", 5, 1004, False),
            ("order", 6, 1004, True),
            ("order", 7, 1006, False),
            ("order", 10, 1003, True),
        ],
    )
    assert found == {
        f"ORDER#{number:010}": verdict
        for number, verdict in {
            2: ("stale", 1005),
            3: ("rejected", 1002),
            4: ("in_flight", 1002),
            5: ("extra", 1004),
            6: ("pending", 1004),
            7: ("in_flight", 1006),
            8: ("extra", 1000),
            9: ("in_flight", 1000),
            10: ("pending", 1003),
            11: ("ahead", 1000),
        }.items()
    }
    assert not comparison.manifest.consistent
    assert set(comparison.manifest.reasons[:-1]) == {"1 stale", "2 extra", "1 ahead", "2 pending", "3 in_flight"}
    assert comparison.manifest.reasons[-1].startswith("10 of these verdicts are the snapshot's, not judged again")


def test_one_row_is_not_judged_by_anothers_version(comparison: Comparison) -> None:
    found = comparison.of(
        source=[seat("A", 1), seat("B", 2), seat("C", 3), seat("D", 4), seat("E", 5)],
        target=[
            stored(seat("A", 1)),
            stored(seat("B", 20, 1050)),
            stored(seat("C", 30, 1050)),
            stored(seat("D", 40, 1050)),
            stored(seat("E", 5, 1000), item='{"id":{"N":"9"},"pk":{"S":"SEAT#E"}}'),
            stored(seat("F", 60, 1050)),
        ],
        known=[
            ("seat", 20, 1050, False),
            ("seat", 30, 1051, True),
            ("seat", 40, 1049, False),
            ("seat", 60, 1050, False),
        ],
        marked=("seat",),
    )
    assert found == {
        "SEAT#B": ("pending", 1000),  # a mark
        "SEAT#C": ("pending", 1000),
        "SEAT#D": ("in_flight", 1000),
        "SEAT#E": ("pending", 1000),  # a mark
        "SEAT#F": ("extra", 1050),
    }


def test_without_marks_what_is_delivered_and_differs_is_wrong(comparison: Comparison) -> None:
    found = comparison.of(
        source=[seat("B", 2), seat("E", 5), order(1)],
        target=[
            stored(seat("B", 20, 1050)),
            stored(seat("E", 5, 1000), item='{"id":{"N":"9"},"pk":{"S":"SEAT#E"}}'),
        ],
        known=[("seat", 20, 1050, False)],
    )
    assert found == {"SEAT#B": ("mismatch", 1000), "SEAT#E": ("mismatch", 1000), "ORDER#0000000001": ("missing", 1000)}


def test_item_types_without_a_ledger_are_judged_as_ever(comparison: Comparison) -> None:
    found = comparison.of(
        source=[view(1), view(2), view(3)],
        target=[stored(view(1)), stored(view(2, 1, "y")), stored(view(3, 0, "y")), stored(view(4))],
    )
    assert found == {"VIEW#2": ("ahead", 0), "VIEW#3": ("mismatch", 0), "VIEW#4": ("extra", None)}


def test_a_gap_in_the_capture_is_a_reason(tmp_path: Path, warehouse: Path) -> None:
    migration = open_migration(MAPPING, tmp_path, warehouse)
    finish_snapshot(migration, "s1", *TABLES, gap="capture: off")
    finish_records(migration, "s1", [view(1)])
    finish_dump(migration, "d1", "s1", [stored(view(1))])
    manifest = run_diff(migration, in_process)
    assert (manifest.consistent, manifest.mode) == (False, "no_ledger")
    assert manifest.reasons == ("capture cannot be relied on: capture: off",)


def test_stores_that_are_written_are_never_called_wrong_and_equal_once_they_are_at_rest(
    database_url: str, tmp_path: Path, dynamodb_environment: str, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = tables(captured(database_url, tmp_path, SCHEMA, SHOP_MAPPING))
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    shop.run(
        "INSERT INTO orders SELECT n, n % 3, 'old' FROM generate_series(1, 12) n",
        "INSERT INTO lines SELECT n, 1, 7 FROM generate_series(1, 12) n",
        "INSERT INTO products VALUES (7, 'pen')",
        "INSERT INTO seats SELECT n, 'S' || n, 'g' || n FROM generate_series(1, 6) n",
    )
    shop.drain()
    shop.run(
        "UPDATE orders SET note = 'waits' WHERE id = 1",
        "DELETE FROM orders WHERE id = 2",
        "INSERT INTO orders VALUES (20, 1)",
        "UPDATE seats SET place = 'S9' WHERE id = 1",
        "UPDATE products SET name = 'ink'",
    )
    with shop.deliverer() as deliverer:
        deliverer.deliver("order", ['{"id":"3"}'])  # reads the new name at the old version
    snapshot = _records(shop, spark)
    shop.run(
        "UPDATE orders SET note = 'newer' WHERE id = 5",
        "DELETE FROM orders WHERE id = 6",
        "INSERT INTO orders VALUES (30, 1)",
        "UPDATE seats SET place = CASE id WHEN 2 THEN 'S3' ELSE 'S2' END WHERE id IN (2, 3)",
    )
    with shop.deliverer() as deliverer:
        for id in (5, 6, 30):
            deliverer.deliver("order", [f'{{"id":"{id}"}}'])
    found = _diff(shop, snapshot)
    verdicts = {name: count for name, count in found.verdicts.model_dump().items() if count}
    assert verdicts.keys() == {"match", "pending", "in_flight"}
    assert not found.consistent
    shop.drain(lease_seconds=0.5)
    assert_equal_stores(shop)
    snapshot = _records(shop, spark)
    run_backfill(shop.shop.migration, in_process)
    found = _diff(shop, snapshot)
    assert (found.consistent, found.reasons, found.verdicts.match) == (True, (), found.union)


def _records(shop: Delivering, spark: SparkSession) -> str:
    snapshot = take_snapshot(shop.shop.migration, shop.shop.url)
    make_records(shop.shop.migration, spark, snapshot.id, 2)
    return snapshot.id


def _diff(shop: Delivering, snapshot: str) -> DiffManifest:
    dump = dump_tables(shop.shop.migration, in_process, snapshot_id=snapshot)
    return run_diff(shop.shop.migration, in_process, snapshot_id=snapshot, dump_id=dump.id)
