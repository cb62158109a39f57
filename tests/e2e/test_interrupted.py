"""An interrupt finishes what is under way and exits 130; one that ends Java too (`timeout` signals a whole process
group) is as clean. The same command, called again, goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pipelines.items.source_type import Kind
from pipelines.migration import Migration
from tests.e2e.conftest import CROSSOVER, CommandLine
from tests.finished_stages import Row, finish_records, finish_snapshot, table
from tests.torture import TORTURE

pytestmark = pytest.mark.e2e

ROWS = 2400
MAPPING = """\
migration: notes
target: {tables: {notes: {partition_key: {name: pk, type: S}}}}
items: {note: {table: notes, from: notes, key: {pk: "NOTE#{note_id}"}}}
"""


@pytest.fixture
def crossover(crossover: CommandLine) -> CommandLine:
    """Without a source: the records are made, and there is none whose schema could have changed."""
    environment = {name: value for name, value in crossover.environment.items() if name != "CROSSOVER_SOURCE_URL"}
    return CommandLine(environment, crossover.folder)


@pytest.fixture
def mapping(crossover: CommandLine) -> Path:
    """Of a migration whose records are made and whose table is there."""
    path = crossover.folder / "notes.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    migration = Migration.open(path, crossover.folder / "warehouse")
    finish_snapshot(migration, "s1", table("notes", "note_id", body=Kind.TEXT))
    keys = [f'"pk":{{"S":"NOTE#{number}"}}' for number in range(ROWS)]
    rows = [Row("note", "notes", f"{{{key}}}", f'{{"body":{{"S":"{"x" * 200}"}},{key}}}') for key in keys]
    finish_records(migration, "s1", rows, buckets=64)
    assert crossover("tables", path).status == 0
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if TORTURE else [signal.SIGINT])
def test_a_backfill_whose_process_group_is_signalled(
    crossover: CommandLine, mapping: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [*CROSSOVER, "backfill", str(mapping), "--json"],
        env=dict(crossover.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    accounts = crossover.folder / "warehouse" / "notes" / "backfills"
    while process.poll() is None and len(list(accounts.glob("*/buckets/*.json"))) < 2:
        time.sleep(0.02)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert err.splitlines()[-1] == "crossover: interrupted; run it again to go on"
    assert 0 < len(list(accounts.glob("*/buckets/*.json"))) < 64

    again = crossover("backfill", mapping, "--json")
    assert again.status == 0, again.err
    assert again.document["written"] == again.document["records"] == ROWS
    assert f"backfill {again.document['run_id']} of snapshot s1 is unfinished: it goes on" in again.err
