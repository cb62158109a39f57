"""The diff as a stage: accounts, resuming, what it refuses, what it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from pipelines.diff import bucket as diff_bucket
from pipelines.diff import run_diff
from pipelines.diff.account import BucketAccount, write_account
from pipelines.diff.differences import DIFFERENCE_SCHEMA
from pipelines.errors import AccountsError, StageError, UsageError, WarehouseError
from pipelines.fanout import SparkFanOut, in_process
from pipelines.items.source_type import Kind
from pipelines.migration import Migration
from pipelines.warehouse.layout import MANIFEST
from pipelines.warehouse.lock_owner import Owner
from pipelines.warehouse.place import Place
from tests.finished_stages import Row, finish_dump, finish_records, finish_snapshot, open_migration, table
from tests.on_disk import on_disk

pytestmark = pytest.mark.integration

MAPPING = """
migration: shop
target:
  tables:
    shop:
      partition_key: {name: pk, type: S}
items:
  customer:
    table: shop
    from: customers
    key: {pk: "CUSTOMER#{customer_id}"}
    sensitive: [email]
  order:
    table: shop
    from: orders
    key: {pk: "ORDER#{order_id}"}
checks: {thresholds: {rejected: 1}}
"""

TABLES = (
    table("customers", "customer_id", email=Kind.TEXT),
    table("orders", "order_id", total=Kind.NUMERIC),
)


@pytest.fixture
def migration(tmp_path: Path, warehouse: Path) -> Migration:
    migration = open_migration(MAPPING, tmp_path, warehouse)
    finish_snapshot(migration, "s1", *TABLES)
    return migration


def customer(number: int, email: str = "joe@example.com", **other: Any) -> Row:
    key = f'"pk":{{"S":"CUSTOMER#{number}"}}'
    item = f'{{"email":{{"S":"{email}"}},{key}}}'
    return Row("customer", "shop", f"{{{key}}}", item, f'{{"customer_id":"{number}"}}', **other)


def order(number: int, total: str = '{"N":"1"}', **other: Any) -> Row:
    key = f'"pk":{{"S":"ORDER#{number}"}}'
    return Row("order", "shop", f"{{{key}}}", f'{{{key},"total":{total}}}', f'{{"order_id":"{number}"}}', **other)


def on_target(row: Row, **changed: Any) -> Row:
    return Row(**{**vars(row), "source_key": None, **changed})


def rejected(number: int, key: str | None) -> Row:
    return Row("order", "shop", key, None, f'{{"order_id":"{number}"}}')


def compare(migration: Migration, source: list[Row], target: list[Row]) -> Any:
    finish_records(migration, "s1", source)
    finish_dump(migration, "d1", "s1", target)
    return run_diff(migration, in_process, run_id="r1")


def differences(migration: Migration, run_id: str = "r1") -> list[dict[str, Any]]:
    files = sorted((on_disk(migration.folder.diff(run_id)) / "differences").glob("bucket=*.parquet"))
    rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    return sorted(rows, key=lambda row: (row["key"] or "", row["source_key"] or ""))


def summary(migration: Migration) -> dict[str, Any]:
    text = (migration.folder.diff("r1") / "summary.json").read_text()
    return dict(json.loads(text))


def test_equal_sides_are_consistent(migration: Migration) -> None:
    rows = [customer(number) for number in range(20)] + [order(number) for number in range(20)]
    manifest = compare(migration, rows, [on_target(row) for row in rows])
    assert manifest.consistent
    assert manifest.reasons == ()
    assert (manifest.verdicts.match, manifest.union, manifest.differences) == (40, 40, 0)
    assert {name: one.match for name, one in manifest.item_types.items()} == {"customer": 20, "order": 20}
    assert (manifest.coverage, manifest.mode) == (1.0, "no_ledger")
    assert differences(migration) == []


def test_every_verdict_is_counted_and_written(migration: Migration) -> None:
    source = [
        order(1),
        order(2),
        order(3),
        order(4),
        customer(5),
        rejected(6, order(6).key),
        rejected(7, None),
    ]
    target = [
        on_target(order(1)),
        on_target(order(2, '{"N":"2"}')),
        on_target(order(4), version=None),
        on_target(customer(5), version=3),
        on_target(order(8)),
        on_target(order(9), item_type=None),
    ]
    manifest = compare(migration, source, target)
    assert not manifest.consistent
    found = {(row["key"], row["source_key"]): row["verdict"] for row in differences(migration)}
    assert found == {
        (order(2).key, order(2).source_key): "mismatch",
        (order(3).key, order(3).source_key): "missing",
        (order(4).key, order(4).source_key): "foreign",
        (customer(5).key, customer(5).source_key): "ahead",
        (order(6).key, rejected(6, None).source_key): "rejected",
        (None, rejected(7, None).source_key): "rejected",
        (order(8).key, None): "extra",
        (order(9).key, None): "unmapped",
    }
    counts = {name: count for name, count in manifest.verdicts.model_dump().items() if count}
    assert counts == {
        "match": 1,
        "mismatch": 1,
        "missing": 1,
        "foreign": 1,
        "ahead": 1,
        "rejected": 2,
        "extra": 1,
        "unmapped": 1,
    }
    assert manifest.item_types[""].unmapped == 1
    assert manifest.union == 9
    assert (manifest.source_records, manifest.source_rejects, manifest.target_items) == (5, 2, 6)
    assert manifest.reasons[-1].startswith("8 of these verdicts are the snapshot's, not judged again: the source's URL")
    assert set(manifest.reasons[:-1]) == {
        "1 mismatch",
        "1 missing",
        "1 extra",
        "1 ahead",
        "1 foreign",
        "1 unmapped",
        "2 rejected, 1 allowed",
    }


def test_rejects_within_their_threshold_are_consistent(migration: Migration) -> None:
    manifest = compare(migration, [order(1), rejected(2, None)], [on_target(order(1))])
    assert manifest.consistent
    assert manifest.verdicts.rejected == 1
    assert (manifest.rejected_at_most, manifest.accepted_at_most) == (1, None)


def test_nothing_compared_is_not_consistent(migration: Migration) -> None:
    manifest = compare(migration, [], [])
    assert not manifest.consistent
    assert manifest.reasons == ("nothing was compared",)


def test_the_row_of_a_difference(migration: Migration) -> None:
    compare(migration, [order(2)], [on_target(order(2, '{"S":"1"}'))])
    (row,) = differences(migration)
    assert row == {
        "item_type": "order",
        "table": "shop",
        "key": order(2).key,
        "source_key": '{"order_id":"2"}',
        "verdict": "mismatch",
        "source_version": 0,
        "target_version": 0,
        "source_size": len(order(2).item or ""),
        "target_size": len(order(2).item or ""),
        "paths": [{"path": "total", "kind": "type", "source": '{"N":"1"}', "target": '{"S":"1"}', "accepted_by": []}],
        "more_paths": 0,
    }
    file = next((on_disk(migration.folder.diff("r1")) / "differences").glob("*.parquet"))
    assert pq.read_schema(file).equals(DIFFERENCE_SCHEMA)


def test_the_summary_counts_attribute_paths(migration: Migration) -> None:
    lists = ['{"L":[{"N":"1"},{"N":"2"},{"N":"3"}]}', '{"L":[{"N":"9"},{"N":"2"},{"N":"8"}]}']
    compare(
        migration,
        [order(1, lists[0]), order(2)],
        [on_target(order(1, lists[1])), on_target(order(2, '{"N":"5"}'))],
    )
    document = summary(migration)
    assert document["attributes"] == [
        {"item_type": "order", "path": "total[]", "kind": "value", "count": 2, "accepted": False},
        {"item_type": "order", "path": "total", "kind": "value", "count": 1, "accepted": False},
    ]
    assert (document["consistent"], document["reasons"][0]) == (False, "2 mismatch")
    assert (document["judged_again"], document["not_judged_again"]) == (0, 2)
    assert document["item_types"]["order"]["mismatch"] == 2


def test_many_paths_are_bounded_and_the_rest_counted(migration: Migration) -> None:
    one, other = (
        f'{{"L":[{",".join(f"""{{"N":"{number + shift}"}}""" for number in range(250))}]}}' for shift in (0, 1)
    )
    compare(migration, [order(1, one)], [on_target(order(1, other))])
    (row,) = differences(migration)
    assert (len(row["paths"]), row["more_paths"]) == (200, 50)
    assert summary(migration)["attributes"][0]["count"] == 250


def test_sensitive_values_are_nowhere_in_what_is_written(migration: Migration) -> None:
    manifest = compare(
        migration,
        [customer(1, "joe@example.com"), customer(2, "sue@example.com")],
        [on_target(customer(1, "eve@example.com")), on_target(customer(3, "bob@example.com"))],
    )
    assert manifest.verdicts.mismatch == 1
    mismatch = next(row for row in differences(migration) if row["verdict"] == "mismatch")
    assert mismatch["paths"] == [
        {"path": "email", "kind": "value", "source": "•••", "target": "•••", "accepted_by": []}
    ]
    assert "example.com" not in str(differences(migration))
    for file in on_disk(migration.folder.diff("r1")).rglob("*"):
        assert not file.is_file() or b"example.com" not in file.read_bytes()


def test_rejects_meet_the_targets_item_of_their_key(migration: Migration) -> None:
    numbers = range(10)
    manifest = compare(
        migration,
        [rejected(number, order(number).key) for number in numbers],
        [on_target(order(number)) for number in numbers],
    )
    assert (manifest.verdicts.rejected, manifest.verdicts.extra, manifest.union) == (10, 0, 10)


def test_rejects_that_share_a_key_do_not_count_the_targets_item_twice(migration: Migration) -> None:
    manifest = compare(
        migration,
        [rejected(1, order(1).key), rejected(2, order(1).key)],
        [on_target(order(1), version=None)],
    )
    assert (manifest.verdicts.foreign, manifest.verdicts.rejected, manifest.union) == (1, 1, 2)


@pytest.mark.parametrize("once", [[order(1)], [order(1, '{"N":"3"}')], []])
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_key_twice_on_one_side_is_refused(migration: Migration, side: str, once: list[Row]) -> None:
    twice = [order(1), order(1, '{"N":"2"}')]
    with pytest.raises(AccountsError, match=f"1 keys are on the {side} side more than once"):
        compare(migration, *((twice, once) if side == "source" else (once, twice)))


def test_unequal_buckets_are_refused(migration: Migration) -> None:
    finish_records(migration, "s1", [order(1)], buckets=4)
    finish_dump(migration, "d1", "s1", [on_target(order(1))], buckets=8)
    with pytest.raises(StageError, match="4 buckets, dump d1 has 8"):
        run_diff(migration, in_process)


def test_another_mapping_is_refused(migration: Migration, tmp_path: Path, warehouse: Path) -> None:
    finish_records(migration, "s1", [order(1)])
    finish_dump(migration, "d1", "s1", [on_target(order(1))])
    changed = open_migration(MAPPING.replace("ORDER#", "O#"), tmp_path, warehouse)
    with pytest.raises(StageError, match="another mapping"):
        run_diff(changed, in_process)


def test_a_dump_older_than_the_snapshot_is_refused(migration: Migration) -> None:
    finish_dump(migration, "d1", "s1", [on_target(order(1))])
    finish_snapshot(migration, "s2", *TABLES)
    finish_records(migration, "s2", [order(1)])
    with pytest.raises(StageError, match="dump d1 was begun before snapshot s2"):
        run_diff(migration, in_process)


def test_a_lost_file_is_an_error_and_not_a_match(migration: Migration) -> None:
    rows = [order(number) for number in range(20)]
    finish_records(migration, "s1", rows)
    finish_dump(migration, "d1", "s1", [on_target(row) for row in rows])
    for folder in (on_disk(migration.folder.records("s1")), on_disk(migration.folder.dump("d1"))):
        next((folder / "records" / "bucket=1").glob("*.parquet")).unlink()
    with pytest.raises(AccountsError, match="source records, there should be 20"):
        run_diff(migration, in_process, run_id="r1")
    assert not (migration.folder.diff("r1") / MANIFEST).exists()


def test_a_damaged_file_is_one_clear_line(migration: Migration) -> None:
    finish_records(migration, "s1", [order(1)])
    finish_dump(migration, "d1", "s1", [on_target(order(1))])
    next((on_disk(migration.folder.dump("d1")) / "records").glob("*/*.parquet")).write_bytes(b"PAR1 not at all PAR1")
    with pytest.raises(WarehouseError, match=r"bucket [0-3]: .* cannot be read"):
        run_diff(migration, in_process)


@pytest.mark.parametrize(("name", "other"), [("[ab]", "a"), ("w*", "wide"), ("e?", "e1")])
def test_a_warehouse_whose_name_looks_like_a_pattern(tmp_path: Path, name: str, other: str) -> None:
    """The folder that the pattern would find holds another total."""
    for folder, total in ((other, '{"N":"2"}'), (name, '{"N":"1"}')):
        migration = open_migration(MAPPING, tmp_path, tmp_path / folder)
        finish_snapshot(migration, "s1", *TABLES)
        diff = compare(migration, [order(1, total)], [on_target(order(1, '{"N":"1"}'))])
        assert diff.consistent is (folder == name)


@pytest.mark.parametrize(
    "choice", [{"snapshot_id": ""}, {"dump_id": ""}, {"snapshot_id": "../s1"}, {"dump_id": "d1/."}]
)
def test_an_id_is_never_a_path_nor_empty(migration: Migration, choice: dict[str, Any]) -> None:
    compare(migration, [order(1)], [on_target(order(1))])
    with pytest.raises(UsageError, match="an id has letters"):
        run_diff(migration, in_process, **choice)


def test_records_made_again_begin_a_new_run(migration: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_records(migration, "s1", [order(1), order(1)])
    finish_dump(migration, "d1", "s1", [on_target(order(1))])
    with pytest.raises(AccountsError):
        run_diff(migration, in_process, run_id="r1")
    shutil.rmtree(on_disk(migration.folder.records("s1")))
    finish_records(migration, "s1", [order(1)])
    manifest = run_diff(migration, in_process)
    assert manifest.id != "r1"
    assert manifest.consistent


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


def test_a_killed_diff_goes_on_where_it_was(migration: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    source = [order(number) for number in range(30)]
    target = [on_target(order(number, f'{{"N":"{number % 3}"}}')) for number in range(5, 35)]
    whole = compare(migration, source, target)
    closed: list[int] = []

    def close(folder: Place, account: BucketAccount) -> None:
        write_account(folder, account)
        closed.append(account.bucket)

    def die_at_the_third(folder: Place, account: BucketAccount) -> None:
        if len(closed) == 2:
            raise Killed  # the bucket's differences are in place, its account is not
        close(folder, account)

    monkeypatch.setattr(diff_bucket, "write_account", die_at_the_third)
    with pytest.raises(Killed):
        run_diff(migration, in_process, run_id="r2")
    closed.clear()
    monkeypatch.setattr(diff_bucket, "write_account", close)
    resumed = run_diff(migration, in_process)
    assert resumed.id == "r2"
    assert len(closed) == 2  # of four
    assert differences(migration, "r2") == differences(migration)
    assert resumed.verdicts == whole.verdicts
    assert run_diff(migration, in_process, run_id="r2") == resumed


def test_a_run_that_has_lost_its_lock_leaves_the_other_ones_work_alone(migration: Migration) -> None:
    lock = migration.folder.root / "locks" / "diff.lock"
    theirs = Owner("r1", "elsewhere", 1, "1", "t", "k").text()

    def stolen_half_way(tasks: Any, work: Any, **options: Any) -> Any:
        work(0)
        lock.write_atomically(theirs)
        return in_process(tasks, work, **options)

    finish_records(migration, "s1", [customer(number) for number in range(20)])
    finish_dump(migration, "d1", "s1", [])
    with pytest.raises(StageError, match=r"^diff: run r1 has lost its lock to run r1 \(process 1 on elsewhere\)"):
        run_diff(migration, stolen_half_way, run_id="r1")
    folder = migration.folder.diff("r1")
    assert [file.name for file in (folder / "buckets").files()] == ["bucket=0.json"]
    assert not (folder / MANIFEST).is_file() and lock.read_text() == theirs
    lock.remove()
    assert run_diff(migration, in_process, run_id="r1").verdicts.missing == 20


def test_a_run_id_of_another_comparison_is_refused(migration: Migration) -> None:
    compare(migration, [order(1)], [on_target(order(1))])
    finish_dump(migration, "d2", "s1", [on_target(order(1))])
    with pytest.raises(StageError, match="r1: was begun with other"):
        run_diff(migration, in_process, run_id="r1")


def test_swapped_sides_swap_missing_and_extra(migration: Migration, tmp_path: Path) -> None:
    source = [order(number) for number in range(12)]
    target = [on_target(order(number, f'{{"N":"{number % 2}"}}')) for number in range(4, 20)]
    there = compare(migration, source, target).verdicts
    mirrored = open_migration(MAPPING, tmp_path, tmp_path / "mirrored")
    finish_snapshot(mirrored, "s1", *TABLES)
    back = compare(mirrored, target, source).verdicts
    assert (there.missing, there.extra) == (4, 8)
    assert back == there.model_copy(update={"missing": there.extra, "extra": there.missing})


def test_spark_hands_out_the_same_buckets(migration: Migration, spark: SparkSession) -> None:
    source = [order(number) for number in range(30)] + [rejected(90, None), rejected(91, order(3).key)]
    target = [on_target(order(number, f'{{"N":"{number % 3}"}}')) for number in range(5, 35)]
    one = compare(migration, source, target)
    other = run_diff(migration, SparkFanOut(spark), run_id="r2")
    assert other.verdicts == one.verdicts
    assert other.item_types == one.item_types
    assert differences(migration, "r2") == differences(migration)


def test_an_error_in_a_spark_task_comes_home_as_it_is(migration: Migration, spark: SparkSession) -> None:
    finish_records(migration, "s1", [order(1), order(1)])
    finish_dump(migration, "d1", "s1", [on_target(order(1))])
    with pytest.raises(AccountsError, match="more than once"):
        run_diff(migration, SparkFanOut(spark))
