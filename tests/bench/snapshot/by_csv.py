"""One process: COPY … (FORMAT csv) through psycopg, parsed by pyarrow, written to Parquet."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from tests.bench.snapshot.data import COLUMNS

TYPES = {
    **{name: pa.string() for name in COLUMNS},
    "id": pa.int64(),
    "active": pa.bool_(),
    "placed_at": pa.timestamp("us", tz="UTC"),
}


class _Stream(io.RawIOBase):
    def __init__(self, rows: Iterator[memoryview]) -> None:
        self._rows = rows

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found: list[memoryview] = []
        missing = max(size, 1)
        while missing > 0 and (row := next(self._rows, None)) is not None:
            found.append(row)
            missing -= len(row)
        return b"".join(found)


def main() -> None:
    convert = pc.ConvertOptions(
        column_types=TYPES,
        null_values=[""],
        true_values=["t"],
        false_values=["f"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with psycopg.connect("") as connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'")
        with cursor.copy("COPY wide TO STDOUT (FORMAT csv, HEADER)") as copy:
            reader = pc.open_csv(
                _Stream(memoryview(row) for row in copy),
                read_options=pc.ReadOptions(block_size=8 << 20),
                convert_options=convert,
            )
            with pq.ParquetWriter(f"{sys.argv[1]}/wide.parquet", reader.schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch)


if __name__ == "__main__":
    main()
