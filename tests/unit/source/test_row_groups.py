"""The row groups of a snapshot's files."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.source.row_groups import RowGroups

pytestmark = pytest.mark.unit

SCHEMA = pa.schema(
    [
        pa.field("text", pa.string()),
        pa.field("hash", pa.binary()),
        pa.field("zeros", pa.binary()),
        pa.field("n.m", pa.int64()),
    ]
)


def written(folder: Path, *batches: pa.RecordBatch) -> pq.ParquetFile:
    path = folder / "part.parquet"
    with pa.OSFile(str(path), "wb") as sink, RowGroups(sink, SCHEMA) as groups:
        for batch in batches:
            groups.add(batch)
        assert groups.rows <= sum(batch.num_rows for batch in batches)
    return pq.ParquetFile(path)


def batch(rows: int) -> pa.RecordBatch:
    dice = random.Random(rows)
    hashes = [None if n % 9 == 0 else dice.randbytes(32) for n in range(rows)]
    return pa.record_batch([["a"] * rows, hashes, [bytes(3_000)] * rows, list(range(rows))], schema=SCHEMA)


def compressions(file: pq.ParquetFile) -> dict[str, str]:
    group = file.metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return {column.path_in_schema: column.compression for column in columns}


def test_what_is_compressed_already_is_stored_as_it_is(tmp_path: Path) -> None:
    some = batch(2_000)
    with written(tmp_path, some, some) as file:
        assert compressions(file) == {"text": "ZSTD", "hash": "UNCOMPRESSED", "zeros": "ZSTD", "n.m": "ZSTD"}
        assert file.read().equals(pa.Table.from_batches([some, some]))


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(tmp_path: Path, rows: int) -> None:
    some = batch(rows)
    with written(tmp_path, some) as file:
        assert file.read().equals(pa.Table.from_batches([some]))


def test_a_file_without_any_batch_has_its_columns(tmp_path: Path) -> None:
    with written(tmp_path) as file:
        assert file.schema_arrow.equals(SCHEMA)
        assert file.metadata.num_rows == 0
