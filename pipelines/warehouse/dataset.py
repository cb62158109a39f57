"""Records on disk: written bucket by bucket in bounded memory, read back one bucket at a time.

The bucket stands in the folder's name only (`bucket=7/`), not in the files; readers give the column back. Names
that begin with `.` or `_` are unfinished or foreign and are never read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.errors import WarehouseError
from pipelines.items.record import RECORD_SCHEMA, REJECT_SCHEMA

RECORDS = "records"
REJECTS = "rejects"

FILE_SCHEMA: pa.Schema = RECORD_SCHEMA.remove(RECORD_SCHEMA.get_field_index("bucket"))
"""What a records file holds: RECORD_SCHEMA without `bucket`."""

BUFFER_BYTES = 64 << 20
BATCH_ROWS = 64 << 10


def bucket_folder(records_folder: Path, bucket: int) -> Path:
    return records_folder / f"bucket={bucket}"


def bucket_files(records_folder: Path, bucket: int) -> list[Path]:
    """The bucket's finished files, by name; none where the folder is missing."""
    return _parquet_files(bucket_folder(records_folder, bucket))


def read_bucket(records_folder: Path, bucket: int, columns: Sequence[str]) -> pa.Table:
    """Some columns of RECORD_SCHEMA, in the order asked for, of all rows of one bucket.

    `records_folder` is the folder that holds `bucket=<n>/`. A missing folder is an empty bucket. Raises WarehouseError
    where a file is damaged.
    """
    stored = [name for name in columns if name != "bucket"]
    schema = pa.schema([RECORD_SCHEMA.field(name) for name in stored])
    tables = [_read(file, stored).cast(schema) for file in bucket_files(records_folder, bucket)]
    table = pa.concat_tables(tables) if tables else schema.empty_table()
    if "bucket" not in columns:
        return table
    numbers = pa.repeat(pa.scalar(bucket, pa.int32()), count_bucket(records_folder, bucket))
    return pa.table(
        [numbers if name == "bucket" else table[name] for name in columns],
        schema=pa.schema([RECORD_SCHEMA.field(name) for name in columns]),
    )


def count_bucket(records_folder: Path, bucket: int) -> int:
    """Rows of one bucket, from the files' footers."""
    return sum(_opened(file).metadata.num_rows for file in bucket_files(records_folder, bucket))


def read_rejects(dataset: Path) -> pa.Table:
    """All rejects of a dataset, as REJECT_SCHEMA; empty where it has none."""
    names = REJECT_SCHEMA.names
    tables = [_read(file, names).cast(REJECT_SCHEMA) for file in _parquet_files(dataset / REJECTS)]
    return pa.concat_tables(tables) if tables else REJECT_SCHEMA.empty_table()


def reject_batches(dataset: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of all rejects, a bounded number of rows at a time. Raises WarehouseError."""
    schema = pa.schema([REJECT_SCHEMA.field(name) for name in columns])
    for file in _parquet_files(dataset / REJECTS):
        try:
            for batch in _opened(file).iter_batches(BATCH_ROWS, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns)).cast(schema)
        except (pa.ArrowException, KeyError):
            raise _damaged(file) from None


def write_table(table: pa.Table, path: Path) -> None:
    """One finished file, or none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    pq.write_table(table, temporary, compression="zstd", compression_level=1)
    temporary.replace(path)


class BucketWriter:
    """Writes record batches as `<folder>/bucket=<n>/<part_name>.parquet`, one file a bucket that has rows.

    `folder` is the records folder. Holds at most about `buffer_bytes` of rows; the fullest bucket is written out
    first. The files appear under their names when the writer is closed without an error, replacing those of an
    earlier attempt at the same part; after an error nothing of the part is left.
    """

    def __init__(self, folder: Path, part_name: str, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._folder = folder
        self._part_name = part_name
        self._buffer_bytes = buffer_bytes
        self._held: dict[int, list[pa.Table]] = {}
        self._held_bytes: dict[int, int] = {}
        self._writers: dict[int, pq.ParquetWriter] = {}
        self.rows = 0

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Rows with all columns of RECORD_SCHEMA, of any buckets, in any order."""
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        for bucket in pc.unique(table["bucket"]).to_pylist():
            of_bucket = table.filter(pc.equal(table["bucket"], bucket))
            self._hold(bucket, of_bucket.select(FILE_SCHEMA.names).cast(FILE_SCHEMA))
        self.rows += table.num_rows
        while sum(self._held_bytes.values()) > self._buffer_bytes:
            self._flush(max(self._held_bytes, key=self._held_bytes.__getitem__))

    def close(self) -> None:
        """Finishes every file and gives it its name."""
        for bucket in list(self._held):
            self._flush(bucket)
        for writer in self._writers.values():
            writer.close()
        for bucket in self._writers:
            self._temporary(bucket).replace(self._final(bucket))

    def abort(self) -> None:
        """Leaves no file of this part behind."""
        for bucket, writer in self._writers.items():
            with contextlib.suppress(Exception):
                writer.close()
            self._temporary(bucket).unlink(missing_ok=True)

    def __enter__(self) -> BucketWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def _hold(self, bucket: int, rows: pa.Table) -> None:
        self._held.setdefault(bucket, []).append(rows)
        self._held_bytes[bucket] = self._held_bytes.get(bucket, 0) + rows.nbytes

    def _flush(self, bucket: int) -> None:
        rows = pa.concat_tables(self._held.pop(bucket)).combine_chunks()
        del self._held_bytes[bucket]
        if bucket not in self._writers:
            bucket_folder(self._folder, bucket).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._writers[bucket] = pq.ParquetWriter(
                self._temporary(bucket), FILE_SCHEMA, compression="zstd", compression_level=1
            )
        self._writers[bucket].write_table(rows)

    def _final(self, bucket: int) -> Path:
        return bucket_folder(self._folder, bucket) / f"{self._part_name}.parquet"

    def _temporary(self, bucket: int) -> Path:
        return bucket_folder(self._folder, bucket) / f".{self._part_name}.parquet"


def _read(file: Path, columns: Sequence[str]) -> pa.Table:
    try:
        return _opened(file).read(columns=list(columns)).select(list(columns))
    except (pa.ArrowException, KeyError):
        raise _damaged(file) from None


def _opened(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except pa.ArrowException:
        raise _damaged(file) from None


def _damaged(file: Path) -> WarehouseError:
    return WarehouseError(f"{file}: damaged; run its stage again under a new id")


def _parquet_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.glob("*.parquet") if file.name[0] not in "._")
