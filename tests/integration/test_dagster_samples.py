"""Sample rows in Dagster: a few of each item type, what is sensitive masked, what is long cut, one file read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from dagster_defs.sample_rows import Rows, sample_of_differences, sample_of_dump, sample_of_records
from pipelines.diff.differences import DifferenceWriter, differences_file
from pipelines.items.record import REJECT_SCHEMA
from pipelines.items.source_type import Kind
from pipelines.migration import Migration
from pipelines.warehouse.dataset import write_table
from pipelines.warehouse.layout import read_manifest, write_manifest
from pipelines.warehouse.manifest import DiffManifest, DumpManifest, RecordsManifest, Verdicts
from tests.finished_stages import Row, finish_dump, finish_records, finish_snapshot, open_migration, table
from tests.on_disk import on_disk

pytestmark = pytest.mark.integration

PEOPLE = """
migration: people
target: {tables: {open: {partition_key: {name: pk, type: S}}, closed: {partition_key: {name: pk, type: S}}}}
items:
  person:
    table: open
    from: people
    key: {pk: "P{id}"}
    sensitive: [email]
    set: {contact: "to {email}"}
  account: {table: closed, from: accounts, key: {pk: "{iban}"}, sensitive: [iban]}
"""
SECRET = "hush-hush"
LONG = "long " * 1000


@pytest.fixture
def migration(tmp_path: Path) -> Migration:
    migration = open_migration(PEOPLE, tmp_path, tmp_path / "warehouse")
    people, accounts = table("people", "id", email=Kind.TEXT, note=Kind.TEXT), table("accounts", "id", iban=Kind.TEXT)
    finish_snapshot(migration, "s1", people, accounts)
    return migration


def person(number: int, note: str = "n") -> Row:
    key = f'"pk":{{"S":"P{number}"}}'
    shown = f'"contact":{{"S":"to {SECRET}"}},"email":{{"S":"{SECRET}"}},"note":{{"S":"{note}"}}'
    return Row("person", "open", f"{{{key}}}", f"{{{shown},{key}}}", f'{{"id":"{number}"}}')


def account(item_type: str | None = "account") -> Row:
    key = f'"pk":{{"S":"{SECRET}"}}'
    return Row(item_type, "closed", f"{{{key}}}", f'{{"iban":{{"S":"{SECRET}"}},{key}}}')


def rows(metadata: Rows) -> list[dict[str, object]]:
    (sample,) = metadata.values()
    assert isinstance(sample, dg.TableMetadataValue)
    assert SECRET not in json.dumps([record.data for record in sample.records])
    return [dict(record.data) for record in sample.records]


def records(migration: Migration, of: list[Row], buckets: int = 1) -> RecordsManifest:
    finish_records(migration, "s1", of, buckets)
    return read_manifest(migration.folder.records("s1"), RecordsManifest)


def test_two_of_each_item_type_with_nothing_sensitive(migration: Migration) -> None:
    made = records(migration, [person(1), person(2), person(3), account()])
    first, second, third = rows(sample_of_records(migration, made))
    assert (first["key"], second["key"], third["key"]) == ('pk="P1"', 'pk="P2"', "•••")
    assert json.loads(str(first["item"])) == {
        "contact": "•••",
        "email": "•••",
        "note": {"S": "n"},
        "pk": {"S": "P1"},
    }
    assert json.loads(str(third["item"])) == {"iban": "•••", "pk": "•••"}


def test_what_is_long_is_cut_after_it_was_masked(migration: Migration) -> None:
    (row,) = rows(sample_of_records(migration, records(migration, [person(1, LONG)])))
    assert len(str(row["item"])) < 500
    assert str(row["item"]).endswith(" characters)")


def test_of_what_fits_no_item_type_nothing_is_shown(migration: Migration) -> None:
    finish_dump(migration, "d1", "s1", [account(None), Row(None, "open", '{"pk":{"S":"X"}}', f'{{"a":"{SECRET}"}}')], 1)
    manifest = read_manifest(migration.folder.dump("d1"), DumpManifest)
    told = [(row["item_type"], row["key"], row["item"]) for row in rows(sample_of_dump(migration, manifest))]
    assert sorted(told) == [("", 'pk="X"', "•••"), ("", "•••", "•••")]


def test_the_first_file_alone_is_read(migration: Migration) -> None:
    made = records(migration, [person(number) for number in range(200)], buckets=4)
    for bucket in (1, 2, 3):
        (on_disk(migration.folder.records("s1")) / f"records/bucket={bucket}/part.parquet").write_text("no Parquet")
    assert len(rows(sample_of_records(migration, made))) == 2


def test_nothing_made_is_no_table(migration: Migration) -> None:
    assert sample_of_records(migration, records(migration, [])) == {}


def test_differences_with_the_first_of_their_paths(migration: Migration) -> None:
    path: dict[str, object] = {
        "path": "note",
        "kind": "value",
        "source": '{"S":"a"}',
        "target": None,
        "accepted_by": [],
    }
    of = dict.fromkeys(("source_version", "target_version", "source_size", "target_size"), 1)
    with DifferenceWriter(differences_file(migration.folder.diff("r1"), 0)) as writer:
        for row, verdict, paths in (
            (person(1), "mismatch", [path, path]),
            (account(None), "unmapped", []),
            (person(2), "rejected", []),
        ):
            names = {"item_type": row.item_type, "table": row.table, "key": row.key, "source_key": row.source_key}
            writer.write_row({**names, "verdict": verdict, **of, "paths": paths, "more_paths": 0})
    names = {"item_type": row.item_type, "table": row.table, "key": row.key, "source_key": row.source_key}
    why = pa.Table.from_pylist([{**names, "reason": "item_too_large", "attribute": "note"}], REJECT_SCHEMA)
    write_table(why, migration.folder.records("s1") / "rejects" / "0.parquet")
    manifest = DiffManifest(
        migration="people",
        mapping_hash=migration.mapping_hash,
        id="r1",
        started_at=datetime.now(UTC),
        snapshot_id="s1",
        dump_id="d1",
        mode="no_ledger",
        buckets=1,
        coverage=1,
        source_records=2,
        source_rejects=0,
        target_items=2,
        union=2,
        verdicts=Verdicts(),
        item_types={},
        differences=2,
        consistent=False,
        reasons=(),
    )
    write_manifest(migration.folder.diff("r1"), manifest)
    mismatch, unmapped, rejected = rows(sample_of_differences(migration, manifest))
    assert (mismatch["key"], mismatch["path"], mismatch["more_paths"]) == ('pk="P1"', "note", 1)
    assert (mismatch["reject"], rejected["reject"]) == (None, "item_too_large at note")
    assert (mismatch["source"], mismatch["target"]) == ('"a"', "(absent)")
    assert (unmapped["key"], unmapped["path"], unmapped["more_paths"]) == ("•••", None, 0)
    assert sample_of_differences(migration, manifest.model_copy(update={"differences": 0})) == {}
