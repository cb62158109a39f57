"""The laws of the diff: exactly the planted faults, nothing between equals, symmetric, exact against an oracle."""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.diff.bucket import CompareBucket
from pipelines.diff.paths import path_differences
from pipelines.items.canonical import canonical_item
from pipelines.items.record import RECORD_SCHEMA, REJECT_SCHEMA
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.property

NAMES = st.sampled_from(["a", "b", "lines", "price", "é", "ключ"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
NUMBERS = st.integers(-99, 99).map(str)
SCALARS = st.one_of(
    TEXTS.map(lambda text: {"S": text}),
    NUMBERS.map(lambda number: {"N": number}),
    st.booleans().map(lambda truth: {"BOOL": truth}),
    st.builds(lambda: {"NULL": True}),  # not `just`: faults are planted into values, so none may be shared
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

Fault = tuple[str, str]
"""A path and the kind of difference."""


def places(value: Any, path: str) -> list[tuple[str, Any]]:
    """Every value with its path, containers too; `value` is what stands inside an `M`, or an item."""
    found = []
    for name, child in value.items():
        found += below(child, f"{path}.{name}" if path else name)
    return found


def below(value: Any, path: str) -> list[tuple[str, Any]]:
    ((kind, content),) = value.items()
    found = [(path, value)]
    if kind == "M":
        found += places(content, path)
    if kind == "L":
        for index, element in enumerate(content):
            found += below(element, f"{path}[{index}]")
    return found


def change_value(value: dict[str, Any], path: str) -> list[Fault]:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            value["S"] = content + "x"
        case "N":
            value["N"] = str(int(content) + 1000)
        case "BOOL":
            value["BOOL"] = not content
        case "B":
            value["B"] = content + b"x"
        case "SS":
            value["SS"] = [*content, "not there yet"]
            return [(f"{path}{{}}", "absent")]
        case "NS":
            value["NS"] = [*content[1:], "1000"]
            return [(f"{path}{{}}", "absent")] * 2
        case "L":
            content.append({"S": "one more"})
            return [(f"{path}[{len(content) - 1}]", "absent")]
        case "M":
            content["new"] = {"NULL": True}
            return [(f"{path}.new", "absent")]
        case _:
            return change_type(value, path)
    return [(path, "value")]


def change_type(value: dict[str, Any], path: str) -> list[Fault]:
    ((kind, _),) = value.items()
    value.clear()
    value.update({"S": "other"} if kind != "S" else {"N": "7"})
    return [(path, "type")]


def overlaps(path: str, other: str) -> bool:
    shorter, longer = sorted((path, other), key=len)
    return longer.startswith(shorter)


@given(ITEMS, st.data())
def test_exactly_the_planted_faults(item: dict[str, Any], data: st.DataObject) -> None:
    faulty = copy.deepcopy(item)
    chosen: list[str] = []
    expected: list[Fault] = []
    found = places(faulty, "")
    for position in data.draw(st.lists(st.integers(0, max(0, len(found) - 1)), unique=True, max_size=4)):
        if position < len(found) and not any(overlaps(found[position][0], path) for path in chosen):
            path, value = found[position]
            chosen.append(path)
            expected += data.draw(st.sampled_from([change_value, change_type]))(value, path)
    for name in data.draw(st.lists(st.sampled_from(sorted(item)), unique=True)) if item else []:
        if not any(overlaps(name, path) for path in chosen):
            chosen.append(name)
            del faulty[name]
            expected.append((name, "absent"))
    reported = path_differences(canonical_item(item), canonical_item(faulty))
    assert Counter((one.path, one.kind.value) for one in reported) == Counter(expected)


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
CONTENTS = st.integers(0, 1)
SOURCE = st.dictionaries(st.sampled_from(KEYS), CONTENTS)
REJECTS = st.lists(st.tuples(st.sampled_from([*KEYS, None]), st.sampled_from(["order", "customer"])), max_size=4)
TARGET = st.dictionaries(
    st.sampled_from(KEYS),
    st.tuples(CONTENTS, st.sampled_from([None, 0, 0, 0, 1]), st.sampled_from([None, "order", "order", "order"])),
)


def item_text(content: int) -> str:
    return json.dumps({"n": {"N": str(content)}}, separators=(",", ":"))


def record(row: Row) -> dict[str, Any]:
    assert row.content is not None
    text = item_text(row.content)
    return {
        "item_type": row.item_type,
        "table": "shop",
        "key": row.key,
        "source_key": row.source_key,
        "bucket": 0,
        "item": text,
        "version": row.version,
        "digest": hashlib.sha256(text.encode()).digest(),
        "size": len(text),
    }


def reject(row: Row) -> dict[str, Any]:
    return {
        "item_type": row.item_type,
        "source_key": row.source_key,
        "table": "shop",
        "key": row.key,
        "reason": "item_too_large",
        "attribute": None,
        "size": None,
        "detail": None,
    }


def write_side(folder: Path, rows: list[Row]) -> None:
    records = [record(row) for row in rows if row.content is not None]
    rejects = [reject(row) for row in rows if row.content is None]
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


@settings(max_examples=60, deadline=None)
@given(SOURCE, REJECTS, TARGET)
def test_a_bucket_is_judged_as_the_oracle_judges_it(
    source: dict[str, int],
    rejects: list[tuple[str | None, str]],
    target: dict[str, tuple[int, int | None, str | None]],
) -> None:
    ours = [Row(key, content, source_key=f"s{key}") for key, content in source.items()]
    ours += [Row(key, None, item_type=kind, source_key=f"r{n}") for n, (key, kind) in enumerate(rejects)]
    theirs = {key: Row(key, *rest) for key, rest in target.items()}
    expected = Counter(oracle(ours, theirs))
    with tempfile.TemporaryDirectory() as folder:
        root, here = Path(folder), Place.of(folder)
        write_side(root / "source", ours)
        write_side(root / "target", list(theirs.values()))
        (root / "diff" / "buckets").mkdir(parents=True)
        work = CompareBucket(here / "diff", here / "source", here / "target", 1, bool(rejects), {})
        account = work(0)
        rows = pq.ParquetFile(root / "diff" / "differences" / "bucket=0.parquet").read().to_pylist()
    assert Counter((row["item_type"] or "", row["key"], row["verdict"]) for row in rows) == Counter(
        {entry: count for entry, count in expected.items() if entry[2] != "match"}
    )
    assert account.verdicts.match == sum(count for entry, count in expected.items() if entry[2] == "match")
    assert account.union == expected.total() == account.verdicts.total()
    assert account.target_items == len(theirs)
    counts = {
        (kind, verdict): count
        for kind, verdicts in account.item_types.items()
        for verdict, count in verdicts.model_dump().items()
        if count
    }
    assert counts == Counter((kind, verdict) for kind, _, verdict in expected.elements())
