"""Exports that are whole, in every documented shape, and every way in which one can fail to be."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.capture import install_capture
from pipelines.errors import SourceError
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.source.rds_export import read
from pipelines.source.rds_export.convert import convert
from pipelines.warehouse.manifest import SnapshotManifest
from pipelines.warehouse.place import Place
from tests.rds_export_fixture.options import ExportOptions
from tests.rds_export_fixture.write import SNAPSHOT_TIME, SOURCE_ARN, write_export
from tests.scripted_source import CUSTOMERS, migration_of, run

pytestmark = pytest.mark.integration

MAPPING = (
    CUSTOMERS
    + """
      notes: {from: {schema: extra, table: notes}, on: {customer_id: customer_id}, as: list, order_by: [note_id]}
      none: {from: nothing, on: {customer_id: customer_id}, as: list, order_by: [n]}
      visits: {from: visits, on: {customer_id: customer_id}, as: list, order_by: [day]}
"""
)

SOURCE = """
CREATE TABLE customers (customer_id int PRIMARY KEY, name text, password_hash text, since date);
INSERT INTO customers SELECT n, 'name ' || n, 'hash-7f3a', 'infinity' FROM generate_series(1, 100) n;
CREATE SCHEMA extra;
CREATE TABLE extra.notes (note_id int PRIMARY KEY, customer_id int, note text);
INSERT INTO extra.notes SELECT n, n % 7, 'note ' || n FROM generate_series(1, 50) n;
CREATE TABLE nothing (n int PRIMARY KEY, customer_id int);
CREATE TABLE visits (customer_id int, day date, PRIMARY KEY (customer_id, day)) PARTITION BY RANGE (day);
CREATE TABLE visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO visits SELECT n, date '2024-12-01' + n FROM generate_series(1, 60) n;
CREATE TABLE unrelated AS SELECT 1 AS a;
CREATE UNLOGGED TABLE scratch AS SELECT 1 AS a;
"""

ROWS = {"public.customers": 100, "extra.notes": 50, "public.nothing": 0, "public.visits": 60}


@pytest.fixture
def migration(tmp_path: Path, warehouse: Path) -> Migration:
    return migration_of(MAPPING, tmp_path, warehouse)


@pytest.fixture
def source(database_url: str) -> str:
    run(database_url, SOURCE)
    return database_url


@pytest.fixture(scope="module")
def unchanging(postgres_server: str) -> Iterator[str]:
    """The same source for all tests that only read it."""
    name = f"test_{secrets.token_hex(6)}"
    run(postgres_server, f"CREATE DATABASE {name}")
    url = f"{postgres_server.rpartition('/')[0]}/{name}"
    run(url, SOURCE)
    yield url
    run(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def rows_of(migration: Migration, manifest: SnapshotManifest, table: str) -> set[tuple[object, ...]]:
    folder = Path(str(migration.folder.snapshot(manifest.id)))
    return {
        tuple(row.values()) for file in manifest.tables[table].files for row in pq.read_table(folder / file).to_pylist()
    }


@pytest.mark.parametrize(
    "options",
    [
        ExportOptions(),
        ExportOptions(batches=3, parts_per_batch=4, part_step=3, tables_per_info_file=2),
        ExportOptions(batches=0, parts_per_batch=2),
        ExportOptions(empty_tables_without_folder=True, table_warnings={"rdsadmin": "DATABASE_SKIPPED"}),
        ExportOptions(table_warnings={"DATABASE.public.unrelated": "SKIPPED"}),
    ],
)
def test_a_whole_export_is_a_snapshot_like_a_live_one(
    migration: Migration, unchanging: str, tmp_path: Path, options: ExportOptions
) -> None:
    source = unchanging
    location = write_export(source, tmp_path / "exports", options).folder
    found = take_snapshot(migration, source, export=Place.of(location))
    live = take_snapshot(migration, source)
    assert {name: counts.rows for name, counts in found.tables.items()} == ROWS
    for table in ROWS:
        assert rows_of(migration, found, table) == rows_of(migration, live, table)
    assert (found.catalog, found.columns, found.source) == (live.catalog, live.columns, live.source)
    assert (found.uncaptured, found.gap) == ("capture is not installed", False)
    assert (found.taken, found.captured, live.taken, live.export) == ("rds-export", False, "live", None)
    assert found.export is not None
    assert (found.export.task, found.export.location) == (options.task, str(location))
    assert (found.export.source_arn, found.export.snapshot_time) == (SOURCE_ARN, SNAPSHOT_TIME)
    folder = Path(str(migration.folder.snapshot(found.id)))
    assert all(b"7f3a" not in path.read_bytes() for path in folder.rglob("*.parquet"))


def test_an_export_of_a_captured_database_has_no_versions_and_says_so(
    migration: Migration, source: str, tmp_path: Path
) -> None:
    install_capture(migration, source)
    manifest = take_snapshot(migration, source, export=Place.of(write_export(source, tmp_path).folder))
    assert (manifest.captured, manifest.gap, manifest.ledger) == (False, True, None)
    assert manifest.uncaptured == "an RDS export tells no versions, and capture is installed: take a live snapshot"


def test_what_is_younger_than_the_rds_snapshot_is_told_or_left_alone(
    migration: Migration, source: str, tmp_path: Path
) -> None:
    location = Place.of(write_export(source, tmp_path).folder)
    run(source, "ALTER TABLE customers DROP COLUMN since")
    manifest = take_snapshot(migration, source, export=location)  # the export has a column more: ignored
    assert manifest.columns["public.customers"] == ("customer_id", "name")
    run(source, "ALTER TABLE customers ADD COLUMN tier int")
    with pytest.raises(SourceError, match=r"^public\.customers: column 'tier' is not in the export: it is younger"):
        take_snapshot(migration, source, export=location)
    run(source, "ALTER TABLE customers DROP COLUMN tier; ALTER TABLE customers ADD COLUMN tag oid")
    with pytest.raises(SourceError, match=r"column 'tag' is of type oid, which RDS does not export; exclude it"):
        take_snapshot(migration, source, export=location)


def of(folder: Path, pattern: str) -> Path:
    return sorted(folder.rglob(pattern))[0]


def change_info(folder: Path, **changes: object) -> None:
    path = of(folder, "export_info_*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def overwrite_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(bytes(content))


def move_down(folder: Path) -> None:
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    aside.rename(folder / "x")


def not_copied(name: str) -> Callable[[Path], None]:
    return lambda folder: shutil.rmtree(of(folder, name))


DAMAGES: dict[str, tuple[ExportOptions, Callable[[Path], object], str]] = {
    "task failed": (
        ExportOptions(status="FAILED", failure_cause="The role can't\nwrite, AKIAABCDEFGHIJKLMNOP"),
        lambda folder: None,
        r"status is FAILED, not COMPLETE: The role can't write, \*\*\*$",
    ),
    "task under way": (
        ExportOptions(status="IN_PROGRESS"),
        lambda folder: None,
        r"status is IN_PROGRESS, not COMPLETE$",
    ),
    "table failed": (
        ExportOptions(table_status={"extra.notes": "FAILED"}),
        lambda folder: None,
        r"^extra\.notes: the export's status of it is FAILED",
    ),
    "table with a warning": (
        ExportOptions(table_warnings={"DATABASE.extra.notes": "STRING_CONVERSION"}),
        lambda folder: None,
        r"^the export warns about test_\w+\.extra\.notes: STRING_CONVERSION$",
    ),
    "database with a warning": (
        ExportOptions(table_warnings={"DATABASE": "FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE"}),
        lambda folder: None,
        r"^the export warns about test_\w+: FAILED_TO_EXTRACT",
    ),
    "warning in the info": (
        ExportOptions(),
        lambda folder: change_info(folder, warningMessage='{"skippedTables": [], "general": [{"reason": "ODD"}]}'),
        r"^the export warns, and no table can be ruled out \(general\): ODD$",
    ),
    "skipped in the info": (
        ExportOptions(),
        lambda folder: change_info(folder, warningMessage={"skippedTables": [["extra.notes", "ODD"]]}),
        r"^the export warns about test_\w+\.extra\.notes \(skippedTables\): extra\.notes, ODD$",
    ),
    "partitions missing": (
        ExportOptions(parts_per_batch=3, partitions_completed={"public.customers": 2}),
        lambda folder: None,
        r"^public\.customers: .* only 2 of its 3 partitions",
    ),
    "table not listed": (
        ExportOptions(unlisted=frozenset({"public.customers"})),
        lambda folder: None,
        r"^public\.customers: the export does not list it",
    ),
    "no mark of success": (
        ExportOptions(batches=2),
        lambda folder: (folder / of(folder, "public.customers") / "2" / "_SUCCESS").unlink(),
        r"^public\.customers: .*/2 has no _SUCCESS",
    ),
    "a batch not copied": (
        ExportOptions(batches=3),
        lambda folder: shutil.rmtree(of(folder, "public.customers") / "2"),
        r"^public\.customers: .* has the batches 1, 3: some are missing",
    ),
    "a table not copied": (ExportOptions(), not_copied("public.customers"), r"^public\.customers: .* is missing; copy"),
    "left by a job that died": (
        ExportOptions(),
        lambda folder: (of(folder, "public.customers") / "_temporary").mkdir(),
        r"^public\.customers: .*_temporary is no batch",
    ),
    "a folder within a batch": (
        ExportOptions(),
        lambda folder: (of(folder, "public.customers") / "1" / "2").mkdir(),
        r"^public\.customers: .*/1/2 is no batch",
    ),
    "a foreign file": (
        ExportOptions(),
        lambda folder: (of(folder, "public.customers") / "1" / "more.csv").touch(),
        r"^public\.customers: .*more\.csv is no part",
    ),
    "a part cut short": (
        ExportOptions(),
        lambda folder: cut(of(of(folder, "public.customers"), "*.parquet")),
        r"cannot be read as Parquet; it is damaged",
    ),
    "a part spoiled": (
        ExportOptions(),
        lambda folder: overwrite_middle(of(of(folder, "public.customers"), "*.parquet")),
        r"cannot be read as Parquet; it is damaged",
    ),
    "tables info not copied": (
        ExportOptions(tables_per_info_file=2),
        lambda folder: of(folder, "*_from_3_to_4.json").unlink(),
        r"export_tables_info_.*_from_3_to_4\.json is missing",
    ),
    "a table twice": (
        ExportOptions(tables_per_info_file=2),
        lambda folder: shutil.copy(of(folder, "*_from_3_to_4.json"), of(folder, "*_from_1_to_2.json")),
        r" is listed twice in its export_tables_info files$",
    ),
    "no tables info": (
        ExportOptions(),
        lambda folder: of(folder, "export_tables_info*").unlink(),
        r"no export_tables_info_.* that lists a table",
    ),
    "tables info spoiled": (
        ExportOptions(),
        lambda folder: of(folder, "export_tables_info*").write_text("{"),
        r"export_tables_info_.*\.json: is no JSON",
    ),
    "no export info": (
        ExportOptions(),
        lambda folder: of(folder, "export_info*").unlink(),
        r"no export_info_\*\.json, so it is no finished RDS export",
    ),
    "two exports": (
        ExportOptions(),
        lambda folder: (folder / "export_info_other.json").touch(),
        r"the files of 2 exports in one folder",
    ),
    "gone": (ExportOptions(), shutil.rmtree, r": there is nothing; --export names the folder"),
    "one folder too high": (
        ExportOptions(),
        move_down,
        r": holds exports and is none; did you mean .*/x\?$",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGES)
def test_what_is_not_whole_is_told_and_leaves_nothing(
    migration: Migration, unchanging: str, tmp_path: Path, case: str
) -> None:
    options, damage, told = DAMAGES[case]
    location = write_export(unchanging, tmp_path / "exports", options).folder
    damage(location)
    with pytest.raises(SourceError, match=told) as caught:
        take_snapshot(migration, unchanging, export=Place.of(location))
    assert "\n" not in str(caught.value)
    assert migration.folder.finished("snapshots") == []
    assert list((tmp_path / "warehouse" / "shop" / "snapshots").iterdir()) == []


def test_rows_that_are_lost_on_the_way_are_told(
    migration: Migration, unchanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "convert", lambda part, on_rows: convert(part, on_rows) - 1)
    location = write_export(unchanging, tmp_path / "exports", ExportOptions()).folder
    with pytest.raises(SourceError, match=r"\.parquet: gave \d+ rows, not the \d+ of its footer$"):
        take_snapshot(migration, unchanging, export=Place.of(location))


def test_views_and_unlogged_tables_are_named(migration: Migration, source: str, tmp_path: Path) -> None:
    run(source, "ALTER TABLE extra.notes SET UNLOGGED")
    location = Place.of(write_export(source, tmp_path, ExportOptions("a")).folder)
    with pytest.raises(SourceError, match=r"^extra\.notes: the export does not list it \(RDS skips unlogged tables"):
        take_snapshot(migration, source, export=location)
    run(source, "ALTER TABLE extra.notes RENAME TO kept; CREATE VIEW extra.notes AS SELECT * FROM extra.kept")
    location = Place.of(write_export(source, tmp_path, ExportOptions("b")).folder)
    with pytest.raises(SourceError, match=r"^extra\.notes: it is a view, and RDS exports tables; use --from live"):
        take_snapshot(migration, source, export=location)


def test_names_that_rds_writes_differently(migration: Migration, source: str, tmp_path: Path) -> None:
    """A blank becomes an underscore; two tables that then share a folder cannot be told apart."""
    path = tmp_path / "odd.yaml"
    path.write_text(MAPPING.replace("from: customers", "from: my customers"), encoding="utf-8")
    odd = Migration.open(path, tmp_path / "other-warehouse")
    run(source, 'ALTER TABLE customers RENAME TO "my customers"')
    manifest = take_snapshot(odd, source, export=Place.of(write_export(source, tmp_path, ExportOptions("a")).folder))
    assert manifest.tables["public.my customers"].rows == 100
    run(source, "CREATE TABLE my_customers AS SELECT 1 AS a")
    location = Place.of(write_export(source, tmp_path, ExportOptions("b")).folder)
    with pytest.raises(SourceError, match=r"puts the rows of test_\w+\.public\.my_customers into the same folder"):
        take_snapshot(odd, source, export=location)
