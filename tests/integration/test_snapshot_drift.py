"""The schema changes before, during and after a snapshot: a clear error, or the same items."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from pipelines.backfill import run_backfill
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.errors import MappingError, SourceError, StageError
from pipelines.fanout import in_process
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.source.drift import require_same_schema
from pipelines.source.live import export_live
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from tests.chosen_columns import after, everything, ref
from tests.finished_stages import finish_dump, finish_records
from tests.scripted_source import migration_of, run

pytestmark = pytest.mark.integration

MAPPING = """
migration: shop
target:
  tables: {shop: {partition_key: {name: pk, type: S}}}
items:
  customer:
    table: shop
    from: customers
    key: {pk: "CUSTOMER#{id}"}
    exclude: [secret]
    embed: {orders: {from: orders, on: {customer_id: id}, as: list, include: [total], order_by: [order_id]}}
"""

SOURCE = """
CREATE TABLE customers (id int PRIMARY KEY, name varchar(10), code char(3), secret text);
CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int, total numeric(8,2), note text);
INSERT INTO customers VALUES (1, 'one', 'a', 'pw');
INSERT INTO orders VALUES (1, 1, 9.5, 'x');
"""


@pytest.fixture
def migration(tmp_path: Path, warehouse: Path) -> Migration:
    return migration_of(MAPPING, tmp_path, warehouse)


GONE = [
    ("DROP TABLE orders", "orders does not exist any more"),
    ("ALTER TABLE orders RENAME TO purchases", "orders does not exist any more"),
    ("ALTER TABLE orders DROP COLUMN total", "orders has no column total any more"),
    ("ALTER TABLE orders RENAME COLUMN total TO amount", "orders has no column total any more"),
    ("ALTER SCHEMA public RENAME TO old; CREATE SCHEMA public", "customers does not exist any more"),
]
CHANGED = [
    ("ALTER TABLE orders ALTER total TYPE text", "public.orders.total was numeric(8,2), now text"),
    ("ALTER TABLE customers ALTER code TYPE char(4)", "public.customers.code was character(3), now character(4)"),
    ("ALTER TABLE customers ALTER name TYPE name[] USING NULL", "public.customers.name was character varying(10)"),
    (
        "ALTER TABLE customers DROP CONSTRAINT customers_pkey, ADD PRIMARY KEY (name)",
        "had the primary key (id), now (name)",
    ),
    ("ALTER TABLE customers ADD COLUMN more text", "public.customers has a new column more"),
]
HARMLESS = [
    "ALTER TABLE customers ALTER name SET NOT NULL; ALTER TABLE orders ADD COLUMN later text DEFAULT 'x' NOT NULL",
    "ALTER TABLE orders ADD COLUMN more text, DROP COLUMN note",
    "ALTER TABLE customers DROP COLUMN secret, ALTER name TYPE text, ALTER id TYPE bigint",
    "ALTER TABLE orders ALTER total TYPE numeric(20,4); CREATE INDEX ON orders (customer_id)",
]  # fmt: skip


@pytest.mark.parametrize(("script", "words"), GONE + CHANGED)
def test_what_changed_after_the_snapshot_is_named(
    migration: Migration, database_url: str, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    run(database_url, SOURCE)
    snapshot = take_snapshot(migration, database_url)
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    require_same_schema(migration.mapping, migration.folder, snapshot.id)
    run(database_url, script)
    with pytest.raises(StageError) as refused:
        require_same_schema(migration.mapping, migration.folder, snapshot.id)
    text = str(refused.value)
    assert words in text and text.endswith("take a new snapshot") and snapshot.id in text and "\n" not in text


def test_the_stage_refuses_before_it_does_anything(
    migration: Migration, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(database_url, SOURCE)
    snapshot = take_snapshot(migration, database_url)
    run(database_url, GONE[0][0])
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    with pytest.raises(StageError, match=GONE[0][1]):
        make_records(migration, cast(SparkSession, None), snapshot.id)


@pytest.mark.parametrize(("script", "words"), [GONE[2], CHANGED[0]])
def test_the_stages_after_the_records_refuse_it_too(
    migration: Migration,
    database_url: str,
    dynamodb_environment: str,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    words: str,
) -> None:
    run(database_url, SOURCE)
    snapshot = take_snapshot(migration, database_url)
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    finish_records(migration, snapshot.id, [])
    finish_dump(migration, "d1", snapshot.id, [])
    create_tables(migration.mapping, dynamodb_client())
    work = Mock(side_effect=in_process)
    run_backfill(migration, work)
    run_diff(migration, work)
    finished = [migration.folder.finished(stage) for stage in ("backfills", "diffs")]
    run(database_url, script)
    work.reset_mock()
    for stage in (run_backfill, run_diff):
        with pytest.raises(StageError) as refused:
            stage(migration, work)
        assert words in str(refused.value) and str(refused.value).endswith("take a new snapshot")
    assert [migration.folder.finished(stage) for stage in ("backfills", "diffs")] == finished
    work.assert_not_called()


@pytest.mark.parametrize("script", HARMLESS)
def test_what_changes_no_item_is_harmless(
    migration: Migration, database_url: str, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    run(database_url, SOURCE)
    snapshot = take_snapshot(migration, database_url)
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    run(database_url, script)
    require_same_schema(migration.mapping, migration.folder, snapshot.id)


def test_without_a_source_the_snapshot_is_enough(
    migration: Migration, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(database_url, SOURCE)
    snapshot = take_snapshot(migration, database_url)
    run(database_url, "DROP TABLE orders")
    monkeypatch.delenv("CROSSOVER_SOURCE_URL", raising=False)
    require_same_schema(migration.mapping, migration.folder, snapshot.id)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", "postgresql://u:hunter2@127.0.0.1:1/db")
    require_same_schema(migration.mapping, migration.folder, snapshot.id)
    told = capsys.readouterr().err
    assert "is not known" in told and "hunter2" not in told and told.count("\n") == 1


@pytest.mark.parametrize(("script", "words"), GONE)
def test_what_changed_before_the_snapshot_fails_it(
    migration: Migration, database_url: str, script: str, words: str
) -> None:
    run(database_url, SOURCE)
    run(database_url, script)
    with pytest.raises(MappingError):
        take_snapshot(migration, database_url)
    assert (migration.folder.root / "snapshots").children() == []


def values(folder: Path, name: str = "public.t") -> list[object]:
    return sorted(row["a"] for file in (folder / name).glob("*.parquet") for row in pq.read_table(file).to_pylist())


@pytest.mark.parametrize(
    "script",
    [
        "DROP TABLE t",
        "ALTER TABLE t RENAME TO other; CREATE TABLE t AS SELECT 7 AS a",
        "ALTER TABLE t DROP COLUMN a",
        "ALTER TABLE t ALTER a TYPE text",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER TABLE t ADD COLUMN more int",
    ],
)
def test_what_would_change_a_table_waits_until_it_is_read(database_url: str, tmp_path: Path, script: str) -> None:
    run(database_url, "CREATE TABLE t AS SELECT 1 AS a")
    waiting = threading.Thread(target=run, args=(database_url, script))

    def begin() -> None:
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive(), "it did not wait"

    export_live(database_url, [ref("t")], after(begin), tmp_path)
    waiting.join()
    assert values(tmp_path) == [1]


def test_a_table_that_comes_to_bear_the_name_is_not_taken_for_the_first(database_url: str, tmp_path: Path) -> None:
    """Blue and green: no lock stops the renaming of a schema."""
    run(
        database_url,
        "CREATE SCHEMA live; CREATE TABLE live.t AS SELECT 1 AS a; CREATE SCHEMA next; CREATE TABLE next.t (a int)",
    )

    def swap() -> None:
        run(database_url, "ALTER SCHEMA live RENAME TO old; ALTER SCHEMA next RENAME TO live")

    with pytest.raises(SourceError, match=r"live\.t: it was renamed or replaced while it was read"):
        export_live(database_url, [ref("t", "live")], after(swap), tmp_path)


def test_a_schema_that_is_renamed_meanwhile(database_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE SCHEMA live; CREATE TABLE live.t AS SELECT 1 AS a")
    with pytest.raises(SourceError, match=r"live\.t: it does not exist any more"):
        export_live(
            database_url,
            [ref("t", "live")],
            after(lambda: run(database_url, "ALTER SCHEMA live RENAME TO old")),
            tmp_path,
        )


PARTITIONED = """
CREATE TABLE t (a int) PARTITION BY RANGE (a);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);
CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20);
CREATE TABLE apart (a int);
INSERT INTO t VALUES (1), (11);
INSERT INTO apart VALUES (21);
"""
ATTACH = "ALTER TABLE t ATTACH PARTITION apart FOR VALUES FROM (20) TO (30)"


def test_a_partition_that_is_attached_meanwhile_is_no_part_of_the_cut(database_url: str, tmp_path: Path) -> None:
    run(database_url, PARTITIONED)
    with pytest.raises(SourceError, match=r"public\.t: public\.apart was attached to it while it was read"):
        export_live(database_url, [ref("t")], after(lambda: run(database_url, ATTACH)), tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    export_live(database_url, [ref("t")], everything, again)
    assert values(again) == [1, 11, 21]


def test_an_empty_partition_may_be_attached(database_url: str, tmp_path: Path) -> None:
    run(database_url, f"{PARTITIONED} DELETE FROM apart")

    def attach_and_fill() -> None:
        run(database_url, f"{ATTACH}; INSERT INTO t VALUES (22)")

    export_live(database_url, [ref("t")], after(attach_and_fill), tmp_path)
    assert values(tmp_path) == [1, 11]


@pytest.mark.parametrize("statement", ["DETACH PARTITION t2", "DETACH PARTITION t2 CONCURRENTLY"])
def test_a_partition_that_is_detached_meanwhile_is_still_read(
    database_url: str, tmp_path: Path, statement: str
) -> None:
    run(database_url, PARTITIONED)
    waiting = threading.Thread(target=run, args=(database_url, f"ALTER TABLE t {statement}"))

    def begin() -> None:
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive(), "it did not wait"

    export_live(database_url, [ref("t")], after(begin), tmp_path)
    waiting.join()
    assert values(tmp_path) == [1, 11]


def test_a_table_that_inherits_meanwhile_is_no_part_of_the_cut(database_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE apart AS SELECT 2 AS a")
    with pytest.raises(SourceError, match=r"public\.apart was attached"):
        export_live(database_url, [ref("t")], after(lambda: run(database_url, "ALTER TABLE apart INHERIT t")), tmp_path)
