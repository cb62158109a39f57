"""A snapshot of 1M orders with 4M lines and 100k customers, made by DuckDB, and the migration that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef
from pipelines.mapping.compile import compile_mapping
from pipelines.migration import Migration
from pipelines.warehouse.layout import write_manifest
from pipelines.warehouse.manifest import SnapshotManifest, TableCounts
from tests.on_disk import on_disk

MAPPING = Path(__file__).with_name("mapping.yaml")
SNAPSHOT = "20260101T000000-0000000"
FILES_PER_TABLE = 4
RUNS = 3  # Java still compiles while the second one runs

_MONEY = SourceType(name="numeric(12,2)", kind=Kind.NUMERIC, precision=12, scale=2)
_ROWS = {
    "customers": (
        "SELECT i AS customer_id, 'Name ' || i AS name, 'user' || i || '@example.com' AS email, "
        "['DE', 'FR', 'PL'][1 + i % 3] AS country FROM range({customers}) t(i)"
    ),
    "orders": (
        "SELECT i AS order_id, hash(i)::UBIGINT % {customers} AS customer_id, "
        "['paid', 'sent', 'new'][1 + i % 3] AS status, "
        "CAST(CAST(hash(i, 1)::UBIGINT % 100000 AS DECIMAL(12,2)) / 100 AS DECIMAL(12,2))::VARCHAR AS total, "
        "TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_microseconds(i * 1000003) AS placed_at, "
        "NULL::VARCHAR AS \"placed_at::raw\", CASE WHEN i % 2 = 0 THEN 'note \"' || i || '\"' END AS note "
        "FROM range({orders}) t(i)"
    ),
    "lines": (
        "SELECT i // 4 AS order_id, i % 4 AS line_no, hash(i)::UBIGINT % 5000 AS product_id, "
        "'SKU-' || hash(i)::UBIGINT % 5000 AS sku, 1 + i % 9 AS quantity, "
        "CAST(CAST(hash(i, 2)::UBIGINT % 10000 AS DECIMAL(12,2)) / 100 AS DECIMAL(12,2))::VARCHAR AS price "
        "FROM range({orders} * 4) t(i)"
    ),
}
_INTEGERS = ("order_id", "customer_id", "line_no", "product_id", "quantity")


def _table(name: str, columns: Mapping[str, SourceType], key: tuple[str, ...]) -> Table:
    return Table(
        ref=TableRef(schema_name="public", table=name),
        relation=Relation.TABLE,
        columns=tuple(Column(name=n, type=t, nullable=n not in key) for n, t in columns.items()),
        primary_key=key,
    )


def _types(**kinds: Kind) -> dict[str, SourceType]:
    return {name: SourceType(name=kind, kind=kind) for name, kind in kinds.items()}


_TABLES = (
    _table(
        "customers",
        _types(customer_id=Kind.INTEGER, name=Kind.TEXT, email=Kind.TEXT, country=Kind.TEXT),
        ("customer_id",),
    ),
    _table(
        "orders",
        _types(order_id=Kind.INTEGER, customer_id=Kind.INTEGER, status=Kind.ENUM)
        | {"total": _MONEY}
        | _types(placed_at=Kind.TIMESTAMPTZ, note=Kind.TEXT),
        ("order_id",),
    ),
    _table(
        "lines",
        _types(
            order_id=Kind.INTEGER, line_no=Kind.INTEGER, product_id=Kind.INTEGER, sku=Kind.TEXT, quantity=Kind.INTEGER
        )
        | {"price": _MONEY},
        ("order_id", "line_no"),
    ),
)


@dataclass(frozen=True)
class Size:
    orders: int
    customers: int


def make(size: Size) -> None:
    """Below CROSSOVER_WAREHOUSE, where it is not there yet."""
    migration = Migration.open(MAPPING)
    folder = migration.folder.snapshot(SNAPSHOT)
    if folder.exists():
        return
    catalog = Catalog(server_version=180006, tables=_TABLES)
    columns = compile_mapping(migration.mapping, catalog).columns_by_table()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        counts = {str(table.ref): _write(connection, table, on_disk(folder), size) for table in _TABLES}
    manifest = SnapshotManifest(
        migration=migration.mapping.migration,
        mapping_hash=migration.mapping_hash,
        id=SNAPSHOT,
        started_at=datetime.now(UTC),
        taken="live",
        source="made for the benchmark",
        captured=False,
        catalog=catalog,
        columns={str(table.ref): names for table, names in columns.items()},
        tables=counts,
    )
    write_manifest(folder, manifest)


def _write(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path, size: Size) -> TableCounts:
    target = folder / table.ref.table
    target.mkdir(parents=True)
    rows = _ROWS[table.ref.table].format(orders=size.orders, customers=size.customers)
    integers = ", ".join(f"{name}::BIGINT AS {name}" for name in _INTEGERS if table.column(name))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE made AS SELECT * REPLACE ({integers}) FROM ({rows})")
    found = connection.execute("SELECT count(*) FROM made").fetchone()
    assert found is not None
    for n in range(FILES_PER_TABLE):
        chosen = f"SELECT * FROM made WHERE {table.primary_key[0]} % {FILES_PER_TABLE} = {n}"
        connection.execute(f"COPY ({chosen}) TO '{target}/part-{n}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    files = sorted(target.iterdir())
    return TableCounts(
        rows=found[0],
        bytes=sum(file.stat().st_size for file in files),
        files=tuple(str(file.relative_to(folder)) for file in files),
    )
