"""The wide table, in a private PostgreSQL: once with its rows, and once without any, in a database of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pipelines.settings import SOURCE_URL, WAREHOUSE
from pipelines.source.embedded import EmbeddedPostgres

TABLE = "wide"
COLUMNS = ("id", "amount", "note", "sku", "placed_at", "active", "payload", "ref", "hash", "tags")


@dataclass(frozen=True)
class Database:
    url: str
    folder: Path  # what is read from it is written below; empty

    @property
    def environment(self) -> dict[str, str]:
        """For Crossover, for psql and all of libpq's kin, and for Spark's workers."""
        found = conninfo_to_dict(self.url)
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        libpq = {variable: str(found[name]) for name, variable in names.items()}
        return {**os.environ, **libpq, SOURCE_URL: self.url, WAREHOUSE: str(self.folder / "warehouse")}


@contextmanager
def databases(folder: Path, rows: int) -> Iterator[tuple[Database, Database]]:
    """The one with `rows` rows, and the one with none."""
    with EmbeddedPostgres(folder / "postgres", durable=False) as server:
        yield _made(server.url, folder, f"filled{rows}", rows), _made(server.url, folder, "empty", 0)


def _made(server: str, folder: Path, name: str, rows: int) -> Database:
    """Its own folder is made last: where that is there, the database is whole."""
    url, output = f"{server.rpartition('/')[0]}/{name}", folder / name
    if output.exists():
        return Database(url, output)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    script = Path(__file__).with_name("wide.sql").read_text(encoding="utf-8").format(rows=rows)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(script.encode())
        connection.execute("VACUUM (FREEZE, ANALYZE) wide")
        connection.execute("CHECKPOINT")
    output.mkdir()
    return Database(url, output)


def pages(database: Database) -> int:
    with psycopg.connect(database.url) as connection:
        found = connection.execute("SELECT pg_relation_size('wide') / current_setting('block_size')::int8").fetchone()
    assert found is not None
    return int(found[0])
