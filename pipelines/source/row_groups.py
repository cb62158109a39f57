"""Writes Arrow batches as the row groups of one Parquet file of a snapshot, in bounded memory."""

from __future__ import annotations

from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 128 << 10
ROW_GROUP_BYTES = 16 << 20
_SAMPLE_VALUES, _SAMPLE_BYTES = 1_000, 256
_WORTH_IT = 0.9  # of its size


class RowGroups:
    """Batches wait until they fill a row group: at most `ROW_GROUP_BYTES` and one batch more. A context manager.

    Without dictionaries: zstd takes care of repetitions as well, and most columns would give theirs up half-way, at
    twice the cost. Without statistics: nothing here looks for rows by value.
    """

    def __init__(self, sink: pa.NativeFile, schema: pa.Schema) -> None:
        self.rows = 0
        self._sink = sink
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Of the schema given."""
        self._waiting.append(batch)
        self.rows += int(batch.num_rows)
        if self._full():
            self._flush()

    def __enter__(self) -> RowGroups:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._flush()
        finally:
            self._waiting.clear()
            self._open(None).close()

    def _full(self) -> bool:
        rows = sum(int(batch.num_rows) for batch in self._waiting)
        return rows >= ROW_GROUP_ROWS or sum(int(batch.nbytes) for batch in self._waiting) >= ROW_GROUP_BYTES

    def _flush(self) -> None:
        if self._waiting:
            group = pa.Table.from_batches(self._waiting)
            self._waiting.clear()
            self._open(group).write_table(group, row_group_size=max(group.num_rows, 1))

    def _open(self, group: pa.Table | None) -> pq.ParquetWriter:
        """`group`: the first, if any; its rows say which columns are worth compressing. (No empty table stands for
        none: pyarrow imports pandas to make one.)"""
        if self._writer is None:
            plain = [] if group is None else [n for n in self._schema.names if _is_compressed_already(group[n])]
            self._writer = pq.ParquetWriter(
                self._sink,
                self._schema,
                compression={name: "none" if name in plain else "zstd" for name in self._schema.names},
                compression_level={name: 1 for name in self._schema.names if name not in plain},
                use_dictionary=False,
                write_statistics=False,
            )
        return self._writer


def _is_compressed_already(column: pa.ChunkedArray) -> bool:
    """Of bytes that are hashes, pictures or archives: zstd would take its time for nothing."""
    if not pa.types.is_binary(column.type):
        return False
    values = (value.as_buffer() for value in column.slice(0, _SAMPLE_VALUES) if value.is_valid)
    some = b"".join(value[:_SAMPLE_BYTES] for value in values)
    return len(pa.compress(some, "zstd", asbytes=True)) > _WORTH_IT * len(some)
