"""The diff as a stage, with `compare` and with `--sample`: counts, accounts, and what is called consistent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.diff import run_diff
from pipelines.diff.account import DiffSummary
from pipelines.diff.plan import DiffPlan
from pipelines.diff.run import SUMMARY
from pipelines.diff.sample import sampled_buckets
from pipelines.errors import AccountsError
from pipelines.fanout import in_process
from pipelines.items.bucket import bucket_of
from pipelines.items.source_type import Kind
from pipelines.migration import Migration
from pipelines.warehouse.dataset import bucket_files
from pipelines.warehouse.manifest import DiffManifest
from pipelines.warehouse.place import Place
from tests.finished_stages import Row, finish_dump, finish_records, finish_snapshot, open_migration, table
from tests.on_disk import on_disk

pytestmark = pytest.mark.integration

MAPPING = """
migration: shop
target: {tables: {shop: {partition_key: {name: pk, type: S}}}}
items:
  order:
    table: shop
    from: orders
    key: {pk: "{order_id}"}
    compare: %s
checks: %s
"""
ORDERS = table("orders", "order_id", total=Kind.NUMERIC, note=Kind.TEXT, seen=Kind.TEXT)
RULES = "{ignore: [seen], null_is_absent: [note], tolerance: {total: 0.1}}"
BUCKETS = 8
HALF = Decimal("0.5")
IN_HALF = frozenset(sampled_buckets(HALF, BUCKETS))

Open = Callable[..., Migration]


@pytest.fixture
def opened(tmp_path: Path, warehouse: Path) -> Open:
    """Opens the migration with other rules or checks, on the same warehouse."""

    def again(compare: str = "{}", checks: str = "{}") -> Migration:
        return open_migration(MAPPING % (compare, checks), tmp_path, warehouse)

    finish_snapshot(again(), "s1", ORDERS)
    return again


def order(number: int, attributes: str, **other: Any) -> Row:
    key = f'"pk":{{"S":"{number}"}}'
    item = "{" + ",".join(sorted([*attributes.split(), key])) + "}"
    return Row("order", "shop", f"{{{key}}}", item, f'{{"order_id":"{number}"}}', **other)


def stored(number: int, attributes: str) -> Row:
    return Row(**{**vars(order(number, attributes)), "source_key": None})


def finish(migration: Migration, source: list[Row], target: list[Row]) -> None:
    finish_records(migration, "s1", source, BUCKETS)
    finish_dump(migration, "d1", "s1", target, BUCKETS)


def rows_of(migration: Migration, diff: DiffManifest) -> list[dict[str, Any]]:
    files = sorted((on_disk(migration.folder.diff(diff.id)) / "differences").glob("*.parquet"))
    return sorted((row for file in files for row in pq.ParquetFile(file).read().to_pylist()), key=lambda r: r["key"])


def summary_of(migration: Migration, diff: DiffManifest) -> DiffSummary:
    return DiffSummary.model_validate_json((migration.folder.diff(diff.id) / SUMMARY).read_text())


SOURCE = [
    order(1, '"total":{"N":"1"}'),
    order(2, '"note":{"NULL":true} "seen":{"S":"a"} "total":{"N":"1"}'),
    order(3, '"total":{"N":"1"}'),
    order(4, '"seen":{"S":"a"} "total":{"N":"1"}'),
]
TARGET = [
    stored(1, '"total":{"N":"1"}'),
    stored(2, '"seen":{"S":"b"} "total":{"N":"1.1"}'),
    stored(3, '"total":{"N":"1.11"}'),
    stored(4, '"total":{"N":"9"}'),
]


def test_accepted_ones_are_counted_apart_and_kept_with_their_rules(opened: Open) -> None:
    migration = opened(RULES)
    finish(migration, SOURCE, TARGET)
    diff = run_diff(migration, in_process)
    assert (diff.verdicts.match, diff.verdicts.accepted, diff.verdicts.mismatch, diff.union) == (1, 1, 2, 4)
    assert diff.differences == 3
    assert diff.reasons[0] == "2 mismatch"
    found = {
        row["key"][12]: (row["verdict"], {path["path"]: path["accepted_by"] for path in row["paths"]})
        for row in rows_of(migration, diff)
    }
    assert found == {
        "2": ("accepted", {"note": ["null_is_absent"], "seen": ["ignore"], "total": ["tolerance"]}),
        "3": ("mismatch", {"total": []}),
        "4": ("mismatch", {"seen": ["ignore"], "total": []}),
    }
    counts = {(one.path, one.kind, one.accepted): one.count for one in summary_of(migration, diff).attributes}
    assert counts == {
        ("note", "absent", True): 1,
        ("seen", "absent", True): 1,
        ("seen", "value", True): 1,
        ("total", "value", True): 1,
        ("total", "value", False): 2,
    }


@pytest.mark.parametrize(
    ("checks", "reasons"),
    [
        ("{}", ()),
        ("{thresholds: {accepted: 1}}", ()),
        ("{thresholds: {accepted: 0}}", ("1 accepted, 0 allowed",)),
    ],
)
def test_the_threshold_of_accepted_ones(opened: Open, checks: str, reasons: tuple[str, ...]) -> None:
    migration = opened(RULES, checks)
    finish(migration, SOURCE[:2], TARGET[:2])
    diff = run_diff(migration, in_process)
    assert (diff.verdicts.accepted, diff.reasons[:1], diff.consistent) == (1, reasons, not reasons)


def test_other_rules_are_the_same_mapping_and_another_run(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was judged by the old rules is taken over."""
    finish(opened(), SOURCE, TARGET)
    with monkeypatch.context() as broken:
        broken.setattr("pipelines.diff.run.write_manifest", lambda *_: None)
        unfinished = run_diff(opened(), in_process)
    diff = run_diff(opened(RULES), in_process)
    assert (unfinished.verdicts.mismatch, diff.verdicts.mismatch) == (3, 2)
    assert diff.id != unfinished.id
    assert run_diff(opened(), in_process).id == unfinished.id


def many(count: int = 200) -> list[int]:
    return list(range(1000, 1000 + count))


def bucket(row: Row) -> int:
    return bucket_of(row.key or row.source_key or "", BUCKETS)


def test_a_sample_compares_whole_buckets_and_says_so(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matches, missing, extra, and rejects with and without a key, of the chosen buckets: these and no others."""
    migration = opened()
    source = [order(number, '"total":{"N":"1"}') for number in many()]
    rejects = [Row("order", "shop", None, None, f'{{"order_id":"r{number}"}}') for number in range(30)]
    rejects += [Row("order", "shop", order(number, "").key, None, f'{{"order_id":"k{number}"}}') for number in range(9)]
    target = [stored(number + 20, '"total":{"N":"1"}') for number in many()]
    finish(migration, source + rejects, target)
    read: list[int] = []
    monkeypatch.setattr("pipelines.diff.bucket.bucket_files", _noting(read))
    diff = run_diff(migration, in_process, sample=HALF)

    assert set(read) == IN_HALF
    verdicts = Counter("match" if bucket(row) in IN_HALF else "" for row in source[20:])
    verdicts += Counter("missing" if bucket(row) in IN_HALF else "" for row in source[:20])
    verdicts += Counter("extra" if bucket(row) in IN_HALF else "" for row in target[-20:])
    verdicts += Counter("rejected" if bucket(row) in IN_HALF else "" for row in rejects)
    assert {name: count for name, count in diff.verdicts.model_dump().items() if count} == {
        name: count for name, count in verdicts.items() if name
    }
    assert verdicts[""] and all(verdicts[name] for name in ("match", "missing", "extra", "rejected"))
    assert diff.coverage == 0.5 == summary_of(migration, diff).coverage
    assert "4 of 8 buckets compared, the mapping asks for all" in diff.reasons
    plan = DiffPlan.read(migration.folder.diff(diff.id))
    assert plan is not None and plan.sampled == tuple(sorted(IN_HALF))


def _noting(read: list[int]) -> Callable[..., Any]:
    def noting(folder: Place, bucket: int) -> list[Place]:
        read.append(bucket)
        return bucket_files(folder, bucket)

    return noting


def test_a_sample_is_enough_where_the_mapping_says_so(opened: Open) -> None:
    migration = opened(checks="{coverage: 0.5}")
    finish(migration, [order(n, "") for n in many(50)], [stored(n, "") for n in many(50)])
    diff = run_diff(migration, in_process, sample=HALF)
    assert (diff.consistent, diff.coverage) == (True, 0.5)


@pytest.mark.parametrize("lost_of", ["chosen", "other"])
@pytest.mark.parametrize("side", ["records", "dump"])
def test_a_lost_file_is_missed_by_a_sample_too(opened: Open, side: str, lost_of: str) -> None:
    migration = opened(checks="{coverage: 0.1}")
    finish(migration, [order(n, "") for n in many()], [stored(n, "") for n in many()])
    folder = migration.folder.records("s1") if side == "records" else migration.folder.dump("d1")
    lost = next(n for n in range(BUCKETS) if (n in IN_HALF) is (lost_of == "chosen"))
    (file,) = (on_disk(folder) / "records" / f"bucket={lost}").iterdir()
    file.unlink()
    what = "source records" if side == "records" else "target items"
    with pytest.raises(AccountsError, match=rf"{what}, there should be"):
        run_diff(migration, in_process, sample=HALF)


def test_an_unfinished_sample_is_not_taken_for_the_whole(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    migration = opened()
    finish(migration, [order(n, "") for n in many(50)], [stored(n, "") for n in many(50)])
    with monkeypatch.context() as broken:
        broken.setattr("pipelines.diff.run.write_manifest", lambda *_: None)
        unfinished = run_diff(migration, in_process, sample=HALF)
    whole = run_diff(migration, in_process)
    assert (whole.coverage, whole.union) == (1.0, 50)
    assert run_diff(migration, in_process, sample=HALF).id == unfinished.id
