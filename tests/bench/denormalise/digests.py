"""One number for all records of a folder, whatever their order."""

from __future__ import annotations

from pathlib import Path

import duckdb


def digest_of(records: Path) -> str:
    """Of every (key, source key, digest, size), and how many there are."""
    query = f"SELECT count(*), bit_xor(hash(key, source_key, digest, size)) FROM read_parquet('{records}/**/*.parquet')"
    with duckdb.connect() as connection:
        found = connection.execute(query).fetchone()
    assert found is not None
    return f"{found[0]:,} records, {found[1]:x}"
