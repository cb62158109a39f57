"""Records on disk: what is written is read back, by bucket, and nothing unfinished is ever seen."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.items.record import RECORD_SCHEMA, REJECT_SCHEMA
from pipelines.warehouse.dataset import (
    BucketWriter,
    RejectWriter,
    count_bucket,
    read_bucket,
    write_table,
)
from pipelines.warehouse.local_place import LocalPlace
from tests.rejects import read_rejects

pytestmark = pytest.mark.unit


def records(*rows: tuple[str, int]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "item_type": "order",
                "table": "shop",
                "key": key,
                "source_key": None,
                "bucket": bucket,
                "item": f"item of {key}",
                "version": 0,
                "digest": key.encode().ljust(32, b"\0"),
                "size": 3,
            }
            for key, bucket in rows
        ],
        schema=RECORD_SCHEMA,
    )


def test_what_is_written_is_read_back_bucket_by_bucket(tmp_path: Path) -> None:
    rows = records(("a", 0), ("b", 3), ("c", 0))
    with BucketWriter(tmp_path, "part-1") as writer:
        writer.write(rows)
    assert read_bucket(tmp_path, 0, RECORD_SCHEMA.names).equals(rows.filter(pa.array([True, False, True])))
    assert read_bucket(tmp_path, 3, ["bucket", "key"]).to_pylist() == [{"bucket": 3, "key": "b"}]
    assert read_bucket(tmp_path, 0, ["bucket"]).to_pylist() == [{"bucket": 0}, {"bucket": 0}]
    assert count_bucket(tmp_path, 0) == 2


def test_a_missing_bucket_is_empty_and_keeps_the_schema(tmp_path: Path) -> None:
    assert read_bucket(tmp_path, 5, RECORD_SCHEMA.names).schema.equals(RECORD_SCHEMA)
    assert read_rejects(tmp_path).schema.equals(REJECT_SCHEMA)


def test_a_small_buffer_writes_the_same_rows(tmp_path: Path) -> None:
    rows = records(*((f"k{number}", number % 4) for number in range(100)))
    with BucketWriter(tmp_path, "part-1", buffer_bytes=1) as writer:
        for batch in rows.to_batches(max_chunksize=7):
            writer.write(batch)
    assert writer.rows == 100
    read = [key for bucket in range(4) for key in read_bucket(tmp_path, bucket, ["key"])["key"].to_pylist()]
    assert sorted(read) == sorted(rows["key"].to_pylist())


def test_several_parts_add_up_and_one_part_again_replaces_itself(tmp_path: Path) -> None:
    for part, key in [("a", "k1"), ("b", "k2"), ("a", "k3")]:
        with BucketWriter(tmp_path, part) as writer:
            writer.write(records((key, 1)))
    assert sorted(read_bucket(tmp_path, 1, ["key"])["key"].to_pylist()) == ["k2", "k3"]


def test_an_error_leaves_nothing_of_the_part(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), BucketWriter(tmp_path, "part-1", buffer_bytes=1) as writer:
        writer.write(records(("a", 0)))
        raise RuntimeError
    assert list((tmp_path / "bucket=0").iterdir()) == []


def test_unfinished_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "bucket=0").mkdir()
    (tmp_path / "bucket=0" / ".part-1.parquet").write_bytes(b"half")
    assert read_bucket(tmp_path, 0, ["key"]).num_rows == 0


def test_rejects_are_read_back(tmp_path: Path) -> None:
    rejects = pa.Table.from_pylist(
        [{"item_type": "order", "table": "shop", "reason": "not_a_number"}], schema=REJECT_SCHEMA
    )
    write_table(rejects, tmp_path / "rejects" / "part-0.parquet")
    assert read_rejects(tmp_path).equals(rejects)


def test_rejects_written_piece_by_piece_are_one_file_or_after_an_error_none(tmp_path: Path) -> None:
    row = {"item_type": "order", "table": "shop", "reason": "not_a_number"}
    rejects = pa.Table.from_pylist([row], schema=REJECT_SCHEMA)
    file = LocalPlace(tmp_path / "rejects" / "part-0.parquet")
    with pytest.raises(RuntimeError), RejectWriter(file, buffer_bytes=1) as writer:
        writer.write(rejects)
        raise RuntimeError
    assert list((tmp_path / "rejects").iterdir()) == []
    with RejectWriter(file, buffer_bytes=1) as writer:
        for _ in range(3):
            writer.write(rejects)
    assert read_rejects(tmp_path).to_pylist() == rejects.to_pylist() * 3
    with RejectWriter(LocalPlace(tmp_path / "none" / "part-0.parquet")) as writer:
        writer.write(rejects.slice(0, 0))
    assert not (tmp_path / "none").exists()
