"""The small shop with some hundred items, a snapshot of it and its records: made once, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pyspark.sql import SparkSession

from pipelines.capture import install_capture
from pipelines.denormalise import make_records
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from tests.captured_shop import Captured, opened
from tests.delivered_shop import MAPPING, WRITTEN_SHOP, Delivering, Items, expected, tables
from tests.shop_writer import sized, write

CHANGES = 40
"""Transactions between the capture's beginning and the snapshot."""


@dataclass(frozen=True)
class Prepared:
    """`snapshot`: what the tables must hold once the snapshot is written and nothing else."""

    server: str
    database: str
    folder: Path
    snapshot: Items

    @contextmanager
    def copy(self, name: str, folder: Path, environment: pytest.MonkeyPatch) -> Iterator[Delivering]:
        """A database and a warehouse of its own, which the variables name, and empty tables."""
        url = f"{self.server.rpartition('/')[0]}/{name}"
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        environment.setenv("CROSSOVER_SOURCE_URL", url)
        environment.setenv("CROSSOVER_WAREHOUSE", str(folder / "warehouse"))
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self.database}".encode())
            try:
                yield tables(Captured(url, Migration.open(folder / "mapping.yaml")))
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def prepare(url: str, folder: Path, spark: SparkSession, items: int, buckets: int, *, is_captured: bool) -> Prepared:
    """In the empty database of that URL. A fifth of the items are seats."""
    orders = items * 4 // 5
    migration = opened(folder, MAPPING)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((WRITTEN_SHOP + rows_of(orders)).encode())
    if is_captured:
        install_capture(migration, url)
        write(url, "before", CHANGES, 1000.0, sized(orders))
    snapshot = take_snapshot(migration, url)
    make_records(migration, spark, snapshot.id, buckets)
    server, _, database = url.rpartition("/")
    return Prepared(f"{server}/postgres", database, folder, expected(url))


def rows_of(orders: int) -> str:
    size = sized(orders)
    return f"""
    INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, {size.products}) n;
    INSERT INTO orders SELECT n, n % {size.customers} + 1, 'old' FROM generate_series(1, {orders}) n;
    INSERT INTO lines SELECT n, 1, n % {size.products} + 1 FROM generate_series(1, {orders}, 2) n;
    INSERT INTO seats SELECT n, 'S' || n, 'guest ' || n FROM generate_series(1, {size.seats}) n;
    """
