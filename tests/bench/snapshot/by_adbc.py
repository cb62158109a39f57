"""One process: the table as the ADBC driver gives it, through pyarrow's Parquet writer as it comes."""

from __future__ import annotations

import sys

import adbc_driver_postgresql.dbapi as adbc
import pyarrow.parquet as pq


def main() -> None:
    with (
        adbc.connect("postgresql://", autocommit=False) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT * FROM wide")
        batches = cursor.fetch_record_batch()
        with pq.ParquetWriter(f"{sys.argv[1]}/wide.parquet", batches.schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)


if __name__ == "__main__":
    main()
