"""`backfill --mode import` from outside: what it prints, an interrupt while DynamoDB imports, and wrong options."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from pipelines.items.source_type import Kind
from pipelines.migration import Migration
from tests.e2e.conftest import CommandLine
from tests.finished_stages import Row, finish_records, finish_snapshot, table
from tests.import_endpoint import ImportEndpoint

pytestmark = pytest.mark.e2e

ROWS = 200
MAPPING = """\
migration: notes
target: {tables: {notes: {partition_key: {name: pk, type: S}, ttl: until}}}
items: {note: {table: notes, from: notes, key: {pk: "NOTE#{note_id}"}}}
"""


@pytest.fixture
def endpoint(dynamodb_environment: str) -> Iterator[ImportEndpoint]:
    boto3.client("s3").create_bucket(Bucket="imports", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    with ImportEndpoint(dynamodb_environment).serving() as endpoint:
        yield endpoint


@pytest.fixture
def command(crossover: CommandLine, endpoint: ImportEndpoint) -> CommandLine:
    """Without a source: the records are made."""
    environment = {name: value for name, value in crossover.environment.items() if name != "CROSSOVER_SOURCE_URL"}
    return CommandLine({**environment, "AWS_ENDPOINT_URL_DYNAMODB": endpoint.url}, crossover.folder)


@pytest.fixture
def mapping(command: CommandLine) -> Path:
    path = command.folder / "notes.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    migration = Migration.open(path, command.folder / "warehouse")
    finish_snapshot(migration, "s1", table("notes", "note_id", body=Kind.TEXT))
    keys = [f'"pk":{{"S":"NOTE#{number}"}}' for number in range(ROWS)]
    rows = [Row("note", "notes", f"{{{key}}}", f'{{"body":{{"S":"say \\"x\\""}},{key}}}') for key in keys]
    finish_records(migration, "s1", rows, buckets=8)
    return path


def test_an_interrupt_leaves_the_import_and_the_next_call_awaits_it(
    command: CommandLine, mapping: Path, endpoint: ImportEndpoint
) -> None:
    endpoint.looks = 1_000_000
    process = command.start("backfill", mapping, "--mode", "import", "--s3", "s3://imports/x", "--json")
    while process.poll() is None and "DescribeImport" not in endpoint.actions:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    message = (
        "interrupted; the import of notes goes on in DynamoDB: run `crossover backfill` with --mode import again to "
        "await it"
    )
    assert json.loads(out) == {"error": {"code": "interrupted", "message": message}}
    assert err.splitlines() == [f"crossover: {message}"]

    endpoint.imports[0].looks_left = 1
    again = command("backfill", mapping, "--mode", "import", "--json")
    assert again.status == 0, again.err
    assert again.document["mode"] == "import"
    assert again.document["written"] == again.document["records"] == ROWS
    lines = again.err.splitlines()
    assert len(endpoint.imports) == 1
    assert [line.partition(": ")[2].partition(" of snapshot")[0] for line in lines] == [
        f"backfill {again.document['run_id']}",
        "table notes: its import was begun before, and is in progress",
    ]
    found = boto3.client("dynamodb").scan(TableName="notes")["Items"]
    assert len(found) == ROWS
    assert all(item["body"] == {"S": 'say "x"'} and item["_v"] == {"N": "0"} for item in found)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--mode", "import"], "--mode import: DynamoDB reads the items from S3"),
        (["--mode", "import", "--s3", "/tmp/x"], "--s3 /tmp/x: an import reads from S3"),
        (["--mode", "import", "--compression", "lzma"], "invalid choice: 'lzma'"),
        (["--mode", "import", "--s3", "s3://imports/x", "--force"], "--force and --wcu out"),
        (["--mode", "cold", "--keep-objects"], "--keep-objects: only with --mode import"),
        (["--dry-run", "--keep-objects"], "--keep-objects: only with --mode import"),
    ],
)
def test_wrong_options_are_one_line(
    command: CommandLine, mapping: Path, endpoint: ImportEndpoint, options: list[str], expected: str
) -> None:
    refused = command("backfill", mapping, *options)
    assert refused.status == 2
    assert len(refused.err.strip().splitlines()) == 1, refused.err
    assert expected in refused.err
    assert endpoint.imports == []
