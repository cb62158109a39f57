"""What requests, storage, a backfill and a check cost: worked out by hand from the sizes in tests/measured_shop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from pipelines.assess.design import Answer, Estimates, Operation, Read
from pipelines.assess.estimates.estimate import estimate
from pipelines.assess.estimates.measured import Measured
from pipelines.assess.observed import Observed
from pipelines.assess.schema import Schema
from pipelines.items.reject import RejectReason
from pipelines.target.prices import RegionPrices, Tag
from tests.assess_evidence import patterns_of
from tests.measured_shop import EVIDENCE, measured_shop

pytestmark = pytest.mark.unit

PRICES = Tag(
    "nowhere-1",
    date(2026, 11, 1),
    RegionPrices(
        read_request_million=1.0,
        write_request_million=10.0,
        read_capacity_hour=0.001,
        write_capacity_hour=0.01,
        storage_gb_month=100.0,
        import_gb=1_000.0,
        export_gb=10_000.0,
    ),
)

GET = Read(
    operation=Operation.GET,
    item_type="customer",
    table="shop",
    partition_key="pk",
    partition="C#{id}",
    fills={"id": "id"},
    sort_key="sk",
    sort="PROFILE",
)
ORDERS = Read(
    operation=Operation.QUERY,
    item_type="order",
    table="shop",
    partition_key="pk",
    partition="C#{customer_id}",
    fills={"customer_id": "customer_id"},
    sort_key="sk",
    sort="O#{id}",
    sort_prefix="O#",
)


def estimated(*asked: tuple[Observed, Sequence[Read]], measured: Measured | None = None) -> Estimates:
    """Each statement with the reads that answer it."""
    patterns = patterns_of(EVIDENCE, *(one for one, _ in asked))
    reads = {one.position: reads for one, reads in asked}
    answers = [
        Answer(pattern=one.id, is_served=True, reads=tuple(reads[one.positions[0]]), reason="")
        for one in patterns.patterns
    ]
    return estimate(measured or measured_shop(), Schema(EVIDENCE), patterns, answers, PRICES)


def units(
    statement: str, *reads: Read, rows: int | None = None, measured: Measured | None = None
) -> tuple[float, float]:
    """Read and write units of one call. `rows`: of all its 10 calls."""
    observed = Observed(statement, "test.sql:1", calls=10, rows=rows)
    (found,) = estimated((observed, reads), measured=measured).patterns
    assert found.read_units_per_second == pytest.approx(found.read_units / 10)
    assert found.write_units_per_second == pytest.approx(found.write_units / 10)
    return found.read_units, found.write_units


def test_a_get_is_half_a_unit_for_each_4_kb() -> None:
    assert units("SELECT * FROM customers WHERE id = 1", GET) == (1.0, 0)


def test_a_list_is_a_get_for_each_key() -> None:
    listed = GET.model_copy(update={"operation": Operation.BATCH_GET, "batch": True})
    assert units("SELECT * FROM customers WHERE id IN (1, 2)", listed, rows=70) == (7.0, 0)
    assert units("SELECT * FROM customers WHERE id IN (1, 2)", listed) == (10.0, 0)


def test_a_query_rounds_up_what_it_reads_in_all() -> None:
    """30 orders of 600 bytes are 18,000: five times 4 KB, half a unit each. One alone is half a unit."""
    statement = "SELECT * FROM orders WHERE customer_id = 1"
    assert units(statement, ORDERS, rows=300) == (2.5, 0)
    assert units(statement, ORDERS, rows=10) == (0.5, 0)
    assert units(statement, ORDERS, rows=0) == (0.5, 0)


def test_without_counted_rows_the_statistics_tell() -> None:
    """10,000 orders of 500 customers: 20 of 600 bytes are 12,000, three times 4 KB."""
    assert units("SELECT * FROM orders WHERE customer_id = 1", ORDERS) == (1.5, 0)


def test_what_is_tested_after_the_read_is_read_too() -> None:
    assert units("SELECT * FROM orders WHERE customer_id = 1 AND status = 'x'", ORDERS, rows=10) == (1.5, 0)


def test_an_index_is_read_as_it_is_held() -> None:
    """10,000 orders of 60 bytes in the index, in 8 shards: 75,000 bytes each are 19 times 4 KB."""
    sharded = ORDERS.model_copy(update={"index": "by_status", "partition_key": "gsi", "fills": {}, "shards": 8})
    assert units("SELECT * FROM orders WHERE status = 'x'", sharded, rows=100_000) == (8 * 19 * 0.5, 0)


def test_each_item_that_was_found_is_a_request_that_follows() -> None:
    """20 orders are 1.5 units, and their customers 20 gets of one unit."""
    following = GET.model_copy(update={"follows": 0})
    assert units("SELECT * FROM orders WHERE customer_id = 1", ORDERS, following) == (1.5 + 20.0, 0)


def test_a_write_is_the_item_with_its_indexes() -> None:
    assert units("UPDATE orders SET status = 'x' WHERE id = 1") == (0, 2.0)
    assert units("DELETE FROM orders WHERE id = 1") == (0, 2.0)


def test_a_parent_is_written_into_each_of_its_children() -> None:
    """The customer's own item, 10 units, and 10 orders on average (10,000 of 1,000 customers), 2 units each. What no
    order shows touches none, and a new customer has none."""
    assert units("UPDATE customers SET name = 'x' WHERE id = 1") == (0, 10.0 + 10 * 2.0)
    assert units("UPDATE customers SET email = 'x' WHERE id = 1") == (0, 10.0)
    assert units("INSERT INTO customers (id, name) VALUES (1, 'x')") == (0, 10.0)


def test_a_child_is_written_into_the_list_of_its_parent() -> None:
    assert units("INSERT INTO notes (id, customer_id) VALUES (1, 2)") == (0, 10.0)
    assert units("UPDATE notes SET body = 'x' WHERE customer_id = 2", rows=40) == (0, 4 * 10.0)


def test_the_monthly_cost() -> None:
    """10 calls in 100 seconds each. Reads: 0.1 * 1.0 = 0.1 units a second; writes: 0.1 * 2.0 = 0.2."""
    found = estimated(
        (Observed("SELECT * FROM customers WHERE id = 1", "a:1", calls=10), [GET]),
        (Observed("UPDATE orders SET status = 'x' WHERE id = 1", "a:2", calls=10), []),
    ).money
    seconds = 730 * 3600
    assert found.on_demand_monthly == pytest.approx(0.1 * seconds / 1e6 * 1.0 + 0.2 * seconds / 1e6 * 10.0)
    assert (found.provisioned_read, found.provisioned_write) == (1, 1)
    assert found.provisioned_monthly == pytest.approx(730 * 0.001 + 730 * 0.01)


def test_provisioned_capacity_is_used_to_seven_tenths() -> None:
    """700 gets of one unit a second need 1,000; 701 need 1,002, for 1,001.4 is not enough."""
    for calls, needed in ((70_000, 1_000), (70_100, 1_002)):
        observed = Observed("SELECT * FROM customers WHERE id = 1", "a:1", calls=calls)
        assert estimated((observed, [GET])).money.provisioned_read == needed


def test_storage_counts_a_hundred_bytes_an_item_and_index() -> None:
    found = estimated()
    table = 1_000 * (5_000 + 100) + 10_000 * (600 + 100)
    indexes = 1_000 * (5_000 + 100) + 10_000 * (60 + 100)
    assert found.gigabytes == pytest.approx(table / 2**30)
    assert found.index_gigabytes == pytest.approx(indexes / 2**30)
    assert found.money.storage_monthly == pytest.approx((table + indexes) / 2**30 * 100.0)
    assert found.money.on_demand_monthly is None


def test_backfills() -> None:
    """1,000 items of 10 units and 10,000 of 2 are 30,000 units: 7.5 s at the 4,000 that a new table takes."""
    live, cold, imported = estimated().backfills
    assert (live.mode, cold.mode, imported.mode) == ("live", "cold", "import")
    assert live.model_copy(update={"mode": "cold"}) == cold
    assert (live.items, live.write_units, live.seconds) == (11_000, 30_000, 7.5)
    assert live.usd == pytest.approx(0.3)
    assert (imported.write_units, imported.seconds) == (0, None)
    assert imported.usd == pytest.approx((1_000 * 8_000 + 10_000 * 1_000) / 2**30 * 1_000.0)


def test_a_provisioned_table_is_backfilled_at_its_own_rate() -> None:
    live, _, _ = estimated(measured=measured_shop("{read: 10, write: 50}")).backfills
    assert (live.seconds, live.write_units_per_second) == (600.0, 50.0)


def test_what_is_rejected_is_not_written() -> None:
    live, _, _ = estimated(measured=measured_shop(rejects={RejectReason.NOT_A_NUMBER: 100})).backfills
    assert (live.items, live.write_units) == (10_900, 29_000)


def test_the_nightly_check() -> None:
    """Crossover's scan is strongly consistent: 11,000,000 bytes are 2,686 times 4 KB."""
    scan, export = estimated().nightly
    assert (scan.way, scan.read_units) == ("scan", 2_686)
    assert scan.usd == pytest.approx(0.002686)
    assert scan.gigabytes == pytest.approx(11_000_000 / 2**30)
    assert (export.way, export.read_units) == ("export", 0)
    assert export.usd == pytest.approx((1_000 * 5_100 + 10_000 * 700) / 2**30 * 10_000.0)


def test_it_says_whose_prices_and_how_sure() -> None:
    found = estimated((Observed("SELECT * FROM customers WHERE id = 1", "a:1"), [GET]))
    assert (found.region, found.prices_as_of) == ("nowhere-1", "2026-11-01")
    assert any("peaks are not known" in note for note in found.notes)
