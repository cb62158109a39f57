"""Writes Arrow batches as the row groups of one Parquet file of a snapshot, in bounded memory."""

from __future__ import annotations

from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 128 << 10
ROW_GROUP_BYTES = 16 << 20


class RowGroups:
    """Batches wait until they fill a row group: at most `ROW_GROUP_BYTES` and one batch more. A context manager.

    Without dictionaries: zstd takes care of repetitions as well, and most columns would give theirs up half-way, at
    twice the cost. Without statistics: nothing here looks for rows by value.
    """

    def __init__(self, sink: pa.NativeFile, schema: pa.Schema) -> None:
        self.rows = 0
        self._waiting: list[pa.RecordBatch] = []
        self._writer = pq.ParquetWriter(
            sink, schema, compression="zstd", compression_level=1, use_dictionary=False, write_statistics=False
        )

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
            self._writer.close()

    def _full(self) -> bool:
        rows = sum(int(batch.num_rows) for batch in self._waiting)
        return rows >= ROW_GROUP_ROWS or sum(int(batch.nbytes) for batch in self._waiting) >= ROW_GROUP_BYTES

    def _flush(self) -> None:
        if self._waiting:
            group = pa.Table.from_batches(self._waiting)
            self._waiting.clear()
            self._writer.write_table(group, row_group_size=max(group.num_rows, 1))
