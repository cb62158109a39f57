"""The laws of the diff: nothing between equals, symmetric, exact against an oracle."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.diff import kernel
from pipelines.diff.bucket import CompareBucket
from pipelines.diff.equivalence import normal_form
from pipelines.diff.paths import accepted_by, path_differences
from pipelines.items.canonical import canonical_item
from pipelines.items.record import RECORD_SCHEMA, REJECT_SCHEMA
from pipelines.mapping.plan import Equivalences
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.property

NAMES = st.sampled_from(["a", "b", "lines", "price", "é", "ключ"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
NUMBERS = st.integers(-99, 99).map(str)
SCALARS = st.one_of(
    TEXTS.map(lambda text: {"S": text}),
    NUMBERS.map(lambda number: {"N": number}),
    st.booleans().map(lambda truth: {"BOOL": truth}),
    st.just({"NULL": True}),
    st.binary(max_size=3).map(lambda content: {"B": content}),
    st.sets(TEXTS, min_size=1, max_size=3).map(lambda members: {"SS": sorted(members)}),
    st.sets(NUMBERS, min_size=1, max_size=3).map(lambda members: {"NS": sorted(members)}),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda elements: {"L": elements}),
        st.dictionaries(NAMES, inner, max_size=3).map(lambda content: {"M": content}),
    ),
    max_leaves=12,
)
ITEMS = st.dictionaries(NAMES, VALUES, max_size=5)
PLACES = st.frozensets(st.lists(NAMES, min_size=1, max_size=2).map(tuple), max_size=3)
EQUIVALENCES = st.builds(Equivalences, PLACES, PLACES, PLACES)


@given(ITEMS)
def test_nothing_between_equals(item: dict[str, Any]) -> None:
    assert list(path_differences(canonical_item(item), canonical_item(item))) == []


@given(ITEMS, ITEMS)
def test_swapped_sides_swap_source_and_target_only(one: dict[str, Any], other: dict[str, Any]) -> None:
    there = path_differences(canonical_item(one), canonical_item(other))
    back = path_differences(canonical_item(other), canonical_item(one))
    assert [(d.path, d.kind, d.source, d.target) for d in there] == [(d.path, d.kind, d.target, d.source) for d in back]


@given(ITEMS, ITEMS)
def test_unequal_items_always_have_a_difference(one: dict[str, Any], other: dict[str, Any]) -> None:
    texts = canonical_item(one), canonical_item(other)
    assert (texts[0] == texts[1]) == (list(path_differences(*texts)) == [])


@given(ITEMS, ITEMS, EQUIVALENCES)
def test_accepted_is_what_has_one_normal_form(
    one: dict[str, Any], other: dict[str, Any], equivalences: Equivalences
) -> None:
    texts = canonical_item(one), canonical_item(other)
    forms = [normal_form(equivalences, {"M": json.loads(text)}, ()) for text in texts]
    accepted = accepted_by(equivalences, *texts)
    assert bool(accepted) == (forms[0] == forms[1] and texts[0] != texts[1])
    assert accepted_by(equivalences, *reversed(texts)) == accepted


# A whole bucket against an oracle in plain Python


@dataclass(frozen=True)
class Row:
    """`content` None: a reject. `version` None: foreign. `item_type` None: unmapped."""

    key: str | None
    content: int | None
    version: int | None = 0
    item_type: str | None = "order"
    source_key: str | None = None


KEYS = [f'{{"pk":{{"S":"{letter}"}}}}' for letter in "abcdefgh"]
CASES = 500
"""Each in a table of its own, all in one bucket: a key can only meet its own table's."""


@dataclass(frozen=True)
class Case:
    table: str
    source: list[Row]
    target: dict[str, Row]

    @classmethod
    def random(cls, number: int) -> Case:
        random = Random(number)
        source = [
            Row(key, random.randint(0, 1), source_key=f"s{key}") for key in random.sample(KEYS, random.randint(0, 8))
        ]
        for n in range(random.randint(0, 4)):
            item_type = random.choice(["order", "customer"])
            source.append(Row(random.choice([*KEYS, None]), None, item_type=item_type, source_key=f"r{n}"))
        target = {
            key: Row(
                key, random.randint(0, 1), random.choice([None, 0, 0, 0, 1]), random.choice([None, *["order"] * 3])
            )
            for key in random.sample(KEYS, random.randint(0, 8))
        }
        return cls(f"t{number}", source, target)


def item_text(content: int) -> str:
    return json.dumps({"n": {"N": str(content)}}, separators=(",", ":"))


def record(row: Row, table: str) -> dict[str, Any]:
    assert row.content is not None
    text = item_text(row.content)
    return {
        "item_type": row.item_type,
        "table": table,
        "key": row.key,
        "source_key": row.source_key,
        "bucket": 0,
        "item": text,
        "version": row.version,
        "digest": hashlib.sha256(text.encode()).digest(),
        "size": len(text),
    }


def reject(row: Row, table: str) -> dict[str, Any]:
    return {
        "item_type": row.item_type,
        "source_key": row.source_key,
        "table": table,
        "key": row.key,
        "reason": "item_too_large",
        "attribute": None,
        "size": None,
        "detail": None,
    }


def write_side(folder: Path, rows: list[tuple[str, Row]]) -> None:
    records = [record(row, table) for table, row in rows if row.content is not None]
    rejects = [reject(row, table) for table, row in rows if row.content is None]
    for name, schema, content in (
        ("records/bucket=0", RECORD_SCHEMA, records),
        ("rejects", REJECT_SCHEMA, rejects),
    ):
        (folder / name).mkdir(parents=True)
        if content:
            pq.write_table(pa.Table.from_pylist(content, schema=schema), folder / name / "part.parquet")


def oracle(source: list[Row], target: dict[str, Row]) -> list[tuple[str, str | None, str]]:
    """(item type, key, verdict) of every source row and every other item of the target."""
    judged = []
    taken: set[str] = set()
    for row in sorted(source, key=lambda row: (row.content is None, row.item_type or "", row.source_key or "")):
        other = target.get(row.key) if row.key is not None and row.key not in taken else None
        if row.key is not None:
            taken.add(row.key)
        judged.append((row.item_type or "", row.key, oracle_verdict(row, other)))
    rest = [row for key, row in target.items() if key not in taken]
    return judged + [(row.item_type or "", row.key, oracle_verdict(None, row)) for row in rest]


def oracle_verdict(source: Row | None, target: Row | None) -> str:
    if target is not None and target.item_type is None:
        return "unmapped"
    if target is not None and target.version is None:
        return "foreign"
    if target is not None and target.version:
        return "ahead"
    if source is None:
        return "extra"
    if source.content is None:
        return "rejected"
    if target is None:
        return "missing"
    return "match" if source.content == target.content else "mismatch"


@pytest.mark.parametrize("piece", [kernel.PIECE_BYTES, 10])  # also of what one query joins
def test_a_bucket_is_judged_as_the_oracle_judges_it(
    tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "PIECE_BYTES", piece)
    monkeypatch.setattr(kernel, "BYTES_AT_ONCE", piece * 16)
    cases = [Case.random(number) for number in range(CASES)]
    here = Place.of(tmp_path)
    write_side(tmp_path / "source", [(case.table, row) for case in cases for row in case.source])
    write_side(tmp_path / "target", [(case.table, row) for case in cases for row in case.target.values()])
    account = CompareBucket(here / "diff", here / "source", here / "target", 1, True, {})(0)
    rows = pq.ParquetFile(tmp_path / "diff" / "differences" / "bucket=0.parquet").read().to_pylist()

    expected = {case.table: Counter(oracle(case.source, case.target)) for case in cases}
    found: dict[str, Counter[tuple[str, str | None, str]]] = {case.table: Counter() for case in cases}
    for row in rows:
        found[row["table"]][row["item_type"] or "", row["key"], row["verdict"]] += 1
    for table, judged in expected.items():
        assert found[table] == Counter({e: n for e, n in judged.items() if e[2] != "match"}), table
    every = sum(expected.values(), Counter[tuple[str, str | None, str]]())
    assert account.union == every.total() == account.verdicts.total()
    assert account.target_items == sum(len(case.target) for case in cases)
    counts = {
        (kind, verdict): count
        for kind, verdicts in account.item_types.items()
        for verdict, count in verdicts.model_dump().items()
        if count
    }
    assert counts == Counter((kind, verdict) for kind, _, verdict in every.elements())


def test_a_bucket_without_room_in_memory_is_compared_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "MEMORY_LIMIT", "40MB")
    monkeypatch.setattr(kernel, "BYTES_AT_ONCE", 2_000_000)
    monkeypatch.setattr(kernel, "_in_memory", cache(lambda: kernel._database("")))
    spilled: list[Path] = []
    real = kernel._database

    def database(folder: str) -> duckdb.DuckDBPyConnection:
        spilled.append(Path(folder))
        return real(folder)

    monkeypatch.setattr(kernel, "_database", database)
    rows = [Row(f'{{"pk":{{"S":"{n}"}}}}', 10**900 + n, source_key=f"s{n}") for n in range(12_000)]
    write_side(tmp_path / "source", [("t", row) for row in rows])
    write_side(tmp_path / "target", [("t", replace(row, content=10**901 + n)) for n, row in enumerate(rows)])
    here = Place.of(tmp_path)
    account = CompareBucket(here / "diff", here / "source", here / "target", 1, False, {})(0)
    assert account.verdicts.mismatch == account.union == 12_000
    assert [str(folder) != "." for folder in spilled] == [False, True]
    assert not spilled[1].exists()
