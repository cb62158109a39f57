"""The stage: whole or nothing, only the mapping's columns, and never two at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.errors import MappingError, SourceError, StageError, UsageError, WarehouseError
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.snapshots import open_snapshot
from tests.on_disk import on_disk
from tests.scripted_source import CUSTOMERS, run

pytestmark = pytest.mark.integration

MAPPING = (
    CUSTOMERS
    + """
      notes: {from: {schema: extra, table: notes}, on: {customer_id: customer_id}, as: list, order_by: [note_id],
              include: [note]}
"""
)

SOURCE = """
CREATE TABLE customers (customer_id int PRIMARY KEY, name text, password_hash text, since date);
INSERT INTO customers SELECT n, 'name ' || n, 'hash-7f3a', 'infinity' FROM generate_series(1, 100) n;
CREATE SCHEMA extra;
CREATE TABLE extra.notes (note_id int PRIMARY KEY, customer_id int, note text, internal text);
INSERT INTO extra.notes SELECT n, n % 7, 'note ' || n, 'internal-7f3a' FROM generate_series(1, 50) n;
CREATE TABLE unrelated AS SELECT 1 AS a;
"""


@pytest.fixture
def mapping_file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return path


@pytest.fixture
def migration(mapping_file: Path, warehouse: Path) -> Migration:
    return Migration.open(mapping_file, warehouse)


def files_below(folder: Path) -> list[Path]:
    """What a stage left; the file by which starters wait for one another stays, and says nothing."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".starters"]


def test_the_columns_of_the_mapping_as_of_one_instant(migration: Migration, database_url: str) -> None:
    run(database_url, SOURCE)
    manifest = take_snapshot(migration, database_url)
    folder = on_disk(migration.folder.snapshot(manifest.id))
    assert manifest.columns == {
        "public.customers": ("customer_id", "name", "since"),
        "extra.notes": ("note_id", "customer_id", "note"),
    }
    assert {name: counts.rows for name, counts in manifest.tables.items()} == {
        "public.customers": 100,
        "extra.notes": 50,
    }
    for name, counts in manifest.tables.items():
        assert counts.files and all(file.startswith(f"{name}/part-") for file in counts.files)
        assert counts.bytes == sum((folder / file).stat().st_size for file in counts.files)
        assert counts.rows == sum(pq.read_metadata(folder / file).num_rows for file in counts.files)
    assert all(b"7f3a" not in path.read_bytes() for path in files_below(folder))
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "public.customers", "extra.notes"}
    assert manifest.source == database_url.rpartition("@")[2]
    assert (manifest.taken, manifest.captured) == ("live", False)
    assert open_snapshot(migration.folder, None, migration.mapping_hash) == manifest


def test_everything_is_private_to_its_owner(migration: Migration, database_url: str, warehouse: Path) -> None:
    run(database_url, SOURCE)
    take_snapshot(migration, database_url)
    assert warehouse.stat().st_mode & 0o077 == 0
    assert on_disk(migration.folder.root).stat().st_mode & 0o077 == 0


def test_one_of_this_id_that_is_finished_is_given_back(migration: Migration, database_url: str) -> None:
    run(database_url, SOURCE)
    first = take_snapshot(migration, database_url, "mine")
    run(database_url, "DELETE FROM customers")
    assert take_snapshot(migration, database_url, "mine") == first
    assert take_snapshot(migration, database_url).tables["public.customers"].rows == 0


def test_the_latest_is_opened_and_only_with_its_own_mapping(migration: Migration, database_url: str) -> None:
    with pytest.raises(StageError, match="crossover snapshot"):
        open_snapshot(migration.folder, None, migration.mapping_hash)
    run(database_url, SOURCE)
    take_snapshot(migration, database_url, "a")
    latest = take_snapshot(migration, database_url, "b")
    assert open_snapshot(migration.folder, None, migration.mapping_hash) == latest
    assert open_snapshot(migration.folder, "a", migration.mapping_hash).id == "a"
    with pytest.raises(StageError, match="another mapping"):
        open_snapshot(migration.folder, "a", "0" * 64)
    with pytest.raises(WarehouseError, match="no such run"):
        open_snapshot(migration.folder, "c", migration.mapping_hash)


@pytest.mark.parametrize("snapshot_id", ["../x", "a/b", "", ".hidden", "x" * 101])
def test_an_id_is_no_path(migration: Migration, database_url: str, snapshot_id: str) -> None:
    with pytest.raises(UsageError, match="an id has"):
        take_snapshot(migration, database_url, snapshot_id)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("DROP TABLE extra.notes", MappingError),
        ("ALTER TABLE customers DROP COLUMN customer_id", MappingError),
        (
            "DROP TABLE extra.notes; CREATE VIEW extra.notes AS"
            " SELECT customer_id AS note_id, customer_id, (1 / (customer_id - 50))::text AS note FROM customers",
            SourceError,
        ),
    ],
)
def test_a_failed_one_leaves_nothing(
    migration: Migration, database_url: str, script: str, error: type[Exception]
) -> None:
    run(database_url, f"{SOURCE}; {script}")
    with pytest.raises(error):
        take_snapshot(migration, database_url)
    assert files_below(on_disk(migration.folder.root)) == []
    assert list((on_disk(migration.folder.root) / "snapshots").iterdir()) == []


TAKE = """
import sys
from pathlib import Path
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
take_snapshot(Migration.open(Path(sys.argv[1]), Path(sys.argv[2])), sys.argv[3], "killed")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_one_counts_for_nothing_and_is_taken_afresh(
    migration: Migration, mapping_file: Path, warehouse: Path, database_url: str, number: signal.Signals
) -> None:
    run(
        database_url,
        f"{SOURCE}; ALTER TABLE extra.notes RENAME TO kept; CREATE VIEW extra.notes AS SELECT k.* FROM extra.kept k"
        " WHERE pg_sleep(CASE WHEN note_id = 1 THEN 60 ELSE 0 END) IS NOT NULL",
    )
    arguments = [sys.executable, "-c", TAKE, str(mapping_file), str(warehouse), database_url]
    folder = on_disk(migration.folder.snapshot("killed"))
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as child:
        try:
            while not list(folder.glob("public.customers/*.parquet")) or not list(folder.glob("extra.notes/*")):
                assert child.poll() is None
                threading.Event().wait(0.05)
            child.send_signal(number)
            _, told = child.communicate(timeout=20)
        finally:
            child.kill()
    assert child.returncode != 0
    assert folder.exists() == (number is signal.SIGKILL), told
    assert migration.folder.finished("snapshots") == []
    with pytest.raises(WarehouseError, match="did not finish"):
        open_snapshot(migration.folder, "killed", migration.mapping_hash)

    run(database_url, "DROP VIEW extra.notes; ALTER TABLE extra.kept RENAME TO notes")
    manifest = take_snapshot(migration, database_url)
    assert manifest.tables["extra.notes"].rows == 50
    assert [path.name for path in (on_disk(migration.folder.root) / "snapshots").iterdir()] == [manifest.id]


def test_two_at_a_time_are_refused(migration: Migration, database_url: str) -> None:
    run(database_url, SOURCE)
    with (
        stage_lock(migration.folder.root, "snapshot", "other"),
        pytest.raises(StageError, match="run other is under way"),
    ):
        take_snapshot(migration, database_url)


def test_an_unreachable_source_leaves_nothing(migration: Migration) -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:1/db: cannot connect"):
        take_snapshot(migration, "postgresql://u:hunter2@127.0.0.1:1/db")
    assert files_below(on_disk(migration.folder.root)) == []


def test_a_warehouse_that_cannot_be_written_is_an_error(migration: Migration, database_url: str) -> None:
    run(database_url, SOURCE)
    (on_disk(migration.folder.root) / "snapshots").touch()
    with pytest.raises(WarehouseError, match="cannot be written"):
        take_snapshot(migration, database_url)
    assert os.fspath(on_disk(migration.folder.root))
