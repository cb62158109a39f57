"""Records in the warehouse: written bucket by bucket in bounded memory, read back one bucket at a time.

The bucket stands in the folder's name only (`bucket=7/`), not in the files; readers give the column back. Names
that begin with `.` or `_` are unfinished or foreign and are never read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.errors import WarehouseError
from pipelines.items.record import RECORD_SCHEMA, REJECT_SCHEMA
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.place import Place, Writing

RECORDS = "records"
REJECTS = "rejects"
TOMBSTONES = "tombstones"

FILE_SCHEMA: pa.Schema = RECORD_SCHEMA.remove(RECORD_SCHEMA.get_field_index("bucket"))
"""What a records file holds: RECORD_SCHEMA without `bucket`."""

BUFFER_BYTES = 64 << 20
REJECT_BUFFER_BYTES = 8 << 20
_REPEATING = ["item_type", "table", "version"]  # in the other columns a dictionary finds nothing
BATCH_ROWS = 64 << 10


def bucket_folder(records_folder: Place | Path, bucket: int) -> Place:
    return Place.of(records_folder) / f"bucket={bucket}"


def bucket_files(records_folder: Place | Path, bucket: int) -> list[Place]:
    """The bucket's finished files, by name; none where the folder is missing."""
    return _parquet_files(bucket_folder(records_folder, bucket))


def read_bucket(records_folder: Place | Path, bucket: int, columns: Sequence[str]) -> pa.Table:
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


def bucket_batches(
    records_folder: Place | Path, bucket: int, columns: Sequence[str], rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """As `read_bucket`, of columns that the files hold, at most so many rows at a time. Raises WarehouseError."""
    schema = pa.schema([RECORD_SCHEMA.field(name) for name in columns])
    for file in bucket_files(records_folder, bucket):
        with _reading(file) as parquet:
            for batch in parquet.iter_batches(rows, columns=list(columns)):
                yield batch.select(list(columns)).cast(schema)


def count_bucket(records_folder: Place | Path, bucket: int) -> int:
    """Rows of one bucket, from the files' footers."""
    return sum(_rows(file) for file in bucket_files(records_folder, bucket))


def count_rows(records_folder: Place | Path, buckets: Iterable[int]) -> int:
    """Rows of some buckets, from the files' footers."""
    folder = Place.of(records_folder)
    return sum(each(lambda bucket: count_bucket(folder, bucket), buckets, folder))


def reject_batches(dataset: Place | Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of all rejects, a bounded number of rows at a time. Raises WarehouseError."""
    schema = pa.schema([REJECT_SCHEMA.field(name) for name in columns])
    for file in _parquet_files(Place.of(dataset) / REJECTS):
        with _reading(file) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns)).cast(schema)


def write_table(table: pa.Table, place: Place | Path, *, durable: bool = False) -> None:
    """One finished file, or none."""
    with Place.of(place).writing(durable=durable) as sink:
        pq.write_table(table, sink, compression="zstd", compression_level=1)


class RejectWriter:
    """Writes rejects as one file, or none where there are none, in bounded memory. The file appears under its name when
    the writer is closed without an error."""

    def __init__(self, place: Place, buffer_bytes: int = REJECT_BUFFER_BYTES) -> None:
        self._place = place
        self._buffer_bytes = buffer_bytes
        self._held: list[pa.Table] = []
        self._held_bytes = 0
        self._open = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Rows with all columns of REJECT_SCHEMA."""
        if rows.num_rows:
            self._held.append(rows.select(REJECT_SCHEMA.names).cast(REJECT_SCHEMA))
            self._held_bytes += self._held[-1].nbytes
        if self._held_bytes > self._buffer_bytes:
            self._flush()

    def __enter__(self) -> RejectWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open as opened:
            if error is not None:
                opened.__exit__(kind, error, trace)
            else:
                self._flush()

    def _flush(self) -> None:
        if not self._held:
            return
        if self._writer is None:
            sink = self._open.enter_context(self._place.writing())
            writer = pq.ParquetWriter(sink, REJECT_SCHEMA, compression="zstd", compression_level=1)
            self._writer = self._open.enter_context(writer)
        self._writer.write_table(pa.concat_tables(self._held))
        self._held, self._held_bytes = [], 0


class BucketWriter:
    """Writes record batches as `<folder>/bucket=<n>/<part_name>.parquet`, one file a bucket that has rows.

    `folder` is the records folder. Holds at most about `buffer_bytes` of rows. The files appear under their names when
    the writer is closed without an error, replacing those of an earlier attempt at the same part; after an error
    nothing of the part is left.
    """

    def __init__(self, folder: Place | Path, part_name: str, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._folder = Place.of(folder)
        self._part_name = part_name
        self._buffer_bytes = buffer_bytes
        self._held: list[pa.Table] = []
        self._held_bytes = 0
        self._files: dict[int, Writing] = {}
        self._writers: dict[int, pq.ParquetWriter] = {}
        self.rows = 0

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Rows with all columns of RECORD_SCHEMA, of any buckets, in any order."""
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        if table.num_rows:
            self._held.append(table.select(RECORD_SCHEMA.names).cast(RECORD_SCHEMA))
            self._held_bytes += self._held[-1].nbytes
        self.rows += table.num_rows
        if self._held_bytes > self._buffer_bytes:
            self._flush()

    def close(self) -> None:
        """Finishes every file and gives it its name."""
        try:
            self._flush()
            for writer in self._writers.values():
                writer.close()
            each(lambda file: file.commit(), self._files.values(), self._folder)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Leaves no file of this part behind."""
        for writer in self._writers.values():
            with suppress(Exception):
                writer.close()
        for file in self._files.values():
            file.abort()

    def __enter__(self) -> BucketWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def _flush(self) -> None:
        """Everything that is held: one sort places all buckets, and none keeps the memory of the others."""
        if not self._held:
            return
        held = pa.concat_tables(self._held).combine_chunks()
        self._held, self._held_bytes = [], 0
        rows = held.take(pc.sort_indices(held["bucket"]))
        buckets, starts = np.unique(rows["bucket"].to_numpy(), return_index=True)
        ends = [*starts.tolist()[1:], rows.num_rows]
        rows = rows.select(FILE_SCHEMA.names)
        for bucket, start, end in zip(buckets.tolist(), starts.tolist(), ends, strict=True):
            self._writer(bucket).write_table(rows.slice(start, end - start))

    def _writer(self, bucket: int) -> pq.ParquetWriter:
        if bucket not in self._writers:
            self._files[bucket] = (bucket_folder(self._folder, bucket) / f"{self._part_name}.parquet").writing()
            self._writers[bucket] = pq.ParquetWriter(
                self._files[bucket].sink,
                FILE_SCHEMA,
                compression="zstd",
                compression_level=1,
                use_dictionary=_REPEATING,
                write_statistics=_REPEATING,
            )
        return self._writers[bucket]


def _read(file: Place, columns: Sequence[str]) -> pa.Table:
    with _reading(file) as parquet:
        return parquet.read(columns=list(columns)).select(list(columns))


def _rows(file: Place) -> int:
    with _reading(file) as parquet:
        return int(parquet.metadata.num_rows)


@contextmanager
def _reading(file: Place) -> Iterator[pq.ParquetFile]:
    """Opened, and whatever goes wrong in it as WarehouseError. From S3 all columns that are read come at once."""
    try:
        with file.open_input() as source:
            yield pq.ParquetFile(source, pre_buffer=file.local is None)
    except OSError as error:
        raise WarehouseError(f"{file}: cannot be read (input/output error); run again") from error
    except (pa.ArrowException, KeyError):
        raise WarehouseError(f"{file}: damaged; run its stage again under a new id") from None


def _parquet_files(folder: Place) -> list[Place]:
    return [file for file in folder.files(".parquet") if not file.name.startswith("_")]
