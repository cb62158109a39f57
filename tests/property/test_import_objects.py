"""The objects that DynamoDB imports: how many they are, and that they hold the records, whatever those hold."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.items.record import RECORD_SCHEMA
from pipelines.target.import_folder import ImportFolder, ImportPlan
from pipelines.target.import_objects import OBJECT_BYTES, Compression, ImportBucket, objects_per_bucket, write_objects
from pipelines.warehouse.dataset import BucketWriter
from pipelines.warehouse.place import Place
from tests.import_endpoint import lines_of

pytestmark = pytest.mark.property

LIMIT = 50_000
"""Objects of one import: "Import format quotas and validation", Amazon DynamoDB Developer Guide."""

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "item_type": st.sampled_from(["bears", "bare"]),
            "table": st.sampled_from(["one", "two"]),
            "source_key": TEXT,
            "version": st.none() | st.integers(0, 2**63 - 1),
            "content": st.dictionaries(TEXT.filter(bool), st.fixed_dictionaries({"S": TEXT}), min_size=1, max_size=3),
        }
    ),
    max_size=30,
)


@given(st.integers(0, 2**50), st.integers(1, 4096))
def test_never_more_than_an_import_reads_and_none_too_large(size: int, buckets: int) -> None:
    each = objects_per_bucket(size, buckets)
    assert each >= 1
    assert each * buckets <= LIMIT
    assert size / (each * buckets) <= max(OBJECT_BYTES, size / 39_999)


@given(st.integers(0, 600 << 30), st.integers(1, 64))
def test_not_more_than_it_takes(size: int, buckets: int) -> None:
    each = objects_per_bucket(size, buckets)
    assert each == 1 or size / ((each - 1) * buckets) > OBJECT_BYTES


def record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of RECORD_SCHEMA; its item's text is written by the standard library."""
    item = json.dumps(row["content"], ensure_ascii=False, separators=(",", ":"))
    kept = {name: row[name] for name in ("item_type", "table", "source_key", "version")}
    return {**kept, "key": "{}", "bucket": 3, "item": item, "digest": bytes(32), "size": len(item)}


def wanted(row: Mapping[str, Any]) -> dict[str, Any]:
    """As the item is to be in the table."""
    source = {"_s": {"S": row["source_key"]}} if row["item_type"] == "bears" else {}
    return {**row["content"], "_v": {"N": str(row["version"] or 0)}, **source}


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, each=st.integers(1, 4))
def test_the_objects_hold_the_records(rows: list[dict[str, Any]], each: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with BucketWriter(folder / "records", "part") as writer:
            writer.write(pa.Table.from_pylist([record(row) for row in rows], schema=RECORD_SCHEMA))
        run = Place.of(folder / "run")
        ImportFolder(run).begin(ImportPlan(target="s3://b/c", compression="GZIP", objects={}))
        written = write_objects(
            ImportBucket(
                Place.of(folder / "records"),
                run,
                3,
                Place.of(folder / "objects"),
                {"one": each, "two": each},
                Compression.GZIP,
                frozenset({"bears"}),
            )
        )
        assert ImportFolder(run).objects([3]) == [written]
        assert written.items == len(rows)
        assert sorted(one.name for one in written.objects) == sorted(
            str(file.relative_to(folder / "objects")) for file in (folder / "objects").glob("*/*")
        )
        found: dict[str, list[Any]] = {"one": [], "two": []}
        for one in written.objects:
            lines = lines_of(one.name, (folder / "objects" / one.name).read_bytes())
            assert len(lines) == one.items > 0
            found[one.table] += [json.loads(line)["Item"] for line in lines]
        for table, items in found.items():
            there = [wanted(row) for row in rows if row["table"] == table]
            assert sorted(items, key=json.dumps) == sorted(there, key=json.dumps)
