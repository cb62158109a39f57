"""Whether Parquet files hold what the table holds: rows, and for each column the values that are there and their sum.

A value's text goes through MD5, and the first 60 bits of all are added up: by PostgreSQL for the table, by DuckDB for
the files. The texts are PostgreSQL's, but for instants, which count microseconds, and for bytes, which are hex.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import duckdb
import psycopg

from tests.bench.snapshot.data import COLUMNS, Database

_SOURCE_TEXTS = {
    "placed_at": "(extract(epoch FROM placed_at) * 1000000)::bigint::text",
    "ref": "replace(ref::text, '-', '')",
    "hash": "encode(hash, 'hex')",
}
# Each as whoever wrote the file has left it: text, bytes, a list, a decimal
_FILE_TEXTS = {
    ("placed_at", "TIMESTAMP WITH TIME ZONE"): "epoch_us(placed_at)::VARCHAR",
    ("placed_at", "TIMESTAMP"): "epoch_us(placed_at)::VARCHAR",
    ("ref", "VARCHAR"): "replace(ref, '-', '')",
    ("ref", "BLOB"): "lower(hex(ref))",
    ("ref", "UUID"): "replace(ref::VARCHAR, '-', '')",
    ("hash", "BLOB"): "lower(hex(hash))",
    ("hash", "VARCHAR"): "replace(hash, '\\x', '')",
    ("tags", "VARCHAR[]"): "'{' || tags[1] || ',\"' || tags[2] || '\"}'",
}

Sums = dict[str, str]


def sums_of_source(database: Database) -> Sums:
    """By column: how many values are not NULL, and their sum. Kept beside the database's folder."""
    kept = database.folder.with_suffix(".json")
    if kept.exists():
        return cast(Sums, json.loads(kept.read_text(encoding="utf-8")))
    texts = [_SOURCE_TEXTS.get(name, f"{name}::text") for name in COLUMNS]
    sums = [f"count({text}) || ' ' || coalesce(sum(('x' || md5({text}))::bit(60)::bigint), 0)" for text in texts]
    with psycopg.connect(database.url) as connection:
        connection.execute("SET bytea_output = 'hex'; SET TimeZone = 'UTC'; SET max_parallel_workers_per_gather = 2")
        found = connection.execute(f"SELECT {', '.join(sums)} FROM wide".encode()).fetchone()
    assert found is not None
    made = dict(zip(COLUMNS, found, strict=True))
    kept.write_text(json.dumps(made), encoding="utf-8")
    return made


def sums_of_files(folder: Path) -> Sums:
    """Of all Parquet files below."""
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
        files = f"read_parquet('{folder}/**/*.parquet')"
        types = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE FROM {files}").fetchall()}
        texts = [_FILE_TEXTS.get((name, types[name]), f"{name}::VARCHAR") for name in COLUMNS]
        sums = [f"count({text}) || ' ' || coalesce(sum(('0x' || md5({text})[1:15])::BIGINT), 0)" for text in texts]
        found = connection.execute(f"SELECT {', '.join(sums)} FROM {files}").fetchone()
    assert found is not None
    return dict(zip(COLUMNS, found, strict=True))


def differences(found: Sums, wanted: Sums) -> list[str]:
    """Columns that are not the same."""
    return [name for name in COLUMNS if found[name] != wanted[name]]
