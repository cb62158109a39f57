"""500 random fault plans over nested items: a diff finds exactly what was planted, and nothing else.

All plans stand in one bucket, told apart by their keys, so that what is judged is the whole of a bucket's work.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.diff.account import BucketAccount
from pipelines.diff.bucket import CompareBucket
from pipelines.items.record import RECORD_SCHEMA, REJECT_SCHEMA
from pipelines.mapping.plan import Equivalences
from pipelines.warehouse.place import Place
from tests.fault_plan import IGNORED, NULLABLE, TOLERANCE, UNORDERED, Planted, Value, plan, text
from tests.oracle.plain_differ import Rules, differences

pytestmark = pytest.mark.property

PLANS = 500
RULES = {"order": Rules(IGNORED, UNORDERED, NULLABLE, TOLERANCE)}


def names(paths: Iterable[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(path.split(".")) for path in paths)


EQUIVALENCES = {
    "order": Equivalences(
        ignore=names(IGNORED),
        unordered=names(UNORDERED),
        null_is_absent=names(NULLABLE),
        tolerance={tuple(path.split(".")): Decimal(most) for path, most in TOLERANCE.items()},
    )
}

Found = dict[str, dict[str, Any]]
"""The rows of the differences dataset by key."""


@pytest.fixture(scope="module")
def planted() -> list[Planted]:
    return [one for seed in range(PLANS) for one in plan(seed)]


def record(one: Planted, item: Value, version: int | None) -> dict[str, Any]:
    content = text(item)
    return {
        "item_type": None if one.item_type == "stray" else one.item_type,
        "table": "shop",
        "key": one.key,
        "source_key": None,
        "bucket": 0,
        "item": content,
        "version": version,
        "digest": hashlib.sha256(content.encode()).digest(),
        "size": len(content.encode()),
    }


def reject(one: Planted) -> dict[str, Any]:
    names = {"item_type": one.item_type, "source_key": str(one.number), "table": "shop", "key": one.key}
    return {**dict.fromkeys(REJECT_SCHEMA.names), **names, "reason": "item_too_large"}


def sides(planted: Iterable[Planted]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Records, rejects, and the target's records."""
    rows = list(planted)
    return (
        [record(one, one.source, 0) for one in rows if one.source is not None],
        [reject(one) for one in rows if one.rejected],
        [record(one, one.target, one.version) for one in rows if one.target is not None],
    )


def compare(
    folder: Path, source: list[dict[str, Any]], rejects: list[dict[str, Any]], target: list[dict[str, Any]]
) -> tuple[BucketAccount, Found]:
    for name, schema, rows in (
        ("source/records/bucket=0", RECORD_SCHEMA, source),
        ("source/rejects", REJECT_SCHEMA, rejects),
        ("target/records/bucket=0", RECORD_SCHEMA, target),
    ):
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / name / "part.parquet")
    here = Place.of(folder)
    work = CompareBucket(here / "diff", here / "source", here / "target", 1, bool(rejects), {}, EQUIVALENCES)
    account = work(0)
    rows = pq.ParquetFile(folder / "diff" / "differences" / "bucket=0.parquet").read().to_pylist()
    assert len({row["key"] for row in rows}) == len(rows) == account.differences
    return account, {row["key"]: row for row in rows}


def paths_of(row: dict[str, Any]) -> Counter[tuple[str, str, str, str, str]]:
    return Counter(
        (path["path"], path["kind"], "+".join(path["accepted_by"]), shown(path["source"]), shown(path["target"]))
        for path in row["paths"]
    )


def shown(value: Any) -> str:
    """One text for a value of a plan and of a difference."""
    return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)


def test_exactly_what_was_planted(planted: list[Planted], tmp_path: Path) -> None:
    account, found = compare(tmp_path, *sides(planted))
    wrong = [one for one in planted if one.verdict != "match"]
    assert found.keys() == {one.key for one in wrong}
    for one in wrong:
        row, seed = found[one.key], one.number // 100
        expected = Counter((f.path, f.kind, f.rule, shown(f.source), shown(f.target)) for f in one.faults)
        assert (row["verdict"], paths_of(row)) == (one.verdict, expected), f"plan {seed}, {one.key}"
        assert row["more_paths"] == 0
    counts = {name: count for name, count in account.verdicts.model_dump().items() if count}
    assert counts == Counter(one.verdict for one in planted)
    assert min(counts.values()) > 50  # of every verdict that can be without a ledger


def test_an_independent_differ_agrees(planted: list[Planted], tmp_path: Path) -> None:
    """It knows the two sides, and nothing of what was planted."""
    _, found = compare(tmp_path, *sides(planted))
    for one in planted:
        if one.source is None or one.target is None:
            continue
        expected = differences(one.source, one.target, RULES.get(one.item_type, Rules()))
        reported = paths_of(found[one.key]) if one.key in found else Counter()
        assert Counter((path, kind, rule) for path, kind, rule, *_ in reported.elements()) == expected, one.key
        if one.verdict in ("match", "accepted", "mismatch"):
            accepted = bool(expected) and all(rule for _, _, rule in expected)
            assert one.verdict == ("accepted" if accepted else "mismatch" if expected else "match")


def test_nothing_between_a_side_and_itself(planted: list[Planted], tmp_path: Path) -> None:
    source, *_ = sides(planted)
    account, found = compare(tmp_path, source, [], source)
    assert found == {}
    assert account.verdicts.match == len(source)


def test_swapped_sides_swap_missing_and_extra_and_nothing_else(planted: list[Planted], tmp_path: Path) -> None:
    of_content = [one for one in planted if one.verdict in ("match", "accepted", "mismatch", "missing", "extra")]
    source, _, target = sides(of_content)
    there, found = compare(tmp_path / "there", source, [], target)
    back, mirrored = compare(tmp_path / "back", target, [], source)
    swapped = {"missing": there.verdicts.extra, "extra": there.verdicts.missing}
    assert back.verdicts == there.verdicts.model_copy(update=swapped)
    assert found.keys() == mirrored.keys()
    for key, row in found.items():
        turned = Counter((path, kind, rule, b, a) for path, kind, rule, a, b in paths_of(mirrored[key]).elements())
        assert paths_of(row) == turned
        assert {row["verdict"], mirrored[key]["verdict"]} in ({"missing", "extra"}, {row["verdict"]})
