"""What a migration makes of a database, by the bulk form and by the online form, by (item type, source key)."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from pyspark.sql import SparkSession

from pipelines.denormalise import make_records
from pipelines.items.bucket import bucket_of
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.outcome import Assembled, OnlineItem, Outcome, Rejected
from pipelines.mapping.plan import MigrationPlan
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog
from pipelines.source.online import read_items
from pipelines.warehouse.dataset import RECORDS, read_bucket
from pipelines.warehouse.place import Place
from tests.rejects import read_rejects

BUCKETS = 4

Outcomes = dict[tuple[str, str], Outcome]


def bulk_outcomes(migration: Migration, spark: SparkSession, url: str, export: Place | None = None) -> Outcomes:
    """By way of a live snapshot, or of one from an RDS export."""
    snapshot = take_snapshot(migration, url, export=export)
    make_records(migration, spark, snapshot.id, BUCKETS)
    dataset = migration.folder.records(snapshot.id)
    outcomes: Outcomes = {}
    names = ["item_type", "source_key", "table", "key", "item", "digest", "size"]
    for bucket in range(BUCKETS):
        for row in read_bucket(dataset / RECORDS, bucket, names).to_pylist():
            assert bucket_of(row["key"], BUCKETS) == bucket
            outcomes[row["item_type"], row["source_key"]] = Assembled(
                row["table"], row["key"], row["item"], row["digest"], row["size"]
            )
    for row in read_rejects(dataset).to_pylist():
        outcomes[row["item_type"], row["source_key"]] = Rejected(
            row["table"], row["key"], row["reason"], row["attribute"], row["size"], row["detail"]
        )
    return outcomes


def bulk_versions(migration: Migration) -> dict[tuple[str, str], int]:
    """Of the newest records."""
    dataset = migration.folder.records(migration.folder.latest("records", "make them first")) / RECORDS
    names = ["item_type", "source_key", "version"]
    rows = [row for bucket in range(BUCKETS) for row in read_bucket(dataset, bucket, names).to_pylist()]
    return {(row["item_type"], row["source_key"]): row["version"] for row in rows}


def online_outcomes(migration: Migration, url: str) -> Outcomes:
    """Of every row of every root table; those that fail `where` are Absent."""
    return {key: found.outcome for key, found in _online(migration, url).items()}


def online_versions(migration: Migration, url: str) -> dict[tuple[str, str], int | None]:
    return {key: found.version for key, found in _online(migration, url).items()}


def _online(migration: Migration, url: str) -> dict[tuple[str, str], OnlineItem]:
    with connect(url) as connection:
        items: dict[tuple[str, str], OnlineItem] = {}
        for item in compiled(migration, connection).items:
            keys = source_keys(connection, item.root.table.ref.table, item.source_key)
            for found in read_items(connection, item, keys):
                items[item.name, found.source_key] = found
    return items


def compiled(migration: Migration, connection: psycopg.Connection[TupleRow]) -> MigrationPlan:
    return compile_mapping(migration.mapping, read_catalog(connection, tables_used(migration.mapping)))


def source_keys(connection: psycopg.Connection[TupleRow], table: str, names: Sequence[str]) -> list[dict[str, str]]:
    query = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier("public", table)
    )
    return [dict(zip(names, map(str, row), strict=True)) for row in connection.execute(query)]
