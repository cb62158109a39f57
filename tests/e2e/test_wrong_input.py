"""Wrong input gets one clear line and exit 2: what, where, what to do; never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from pipelines.target.client import dynamodb_client
from tests.e2e.conftest import CommandLine, Finished
from tests.notes import NOTES

pytestmark = pytest.mark.e2e


@pytest.fixture
def notes(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE notes (note_id int PRIMARY KEY, body text, tags text[], done boolean)")
        connection.execute("INSERT INTO notes VALUES (1, 'a', '{x}', true), (2, 'b', '{}', false)")


def write(crossover: CommandLine, text: str) -> Path:
    path = crossover.folder / "notes.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(finished: Finished, *expected: str) -> None:
    assert finished.status == 2, finished
    assert "Traceback" not in finished.err
    assert len(finished.err.strip().splitlines()) == 1, finished.err
    for part in expected:
        assert part in finished.err, finished.err


def test_missing_file(crossover: CommandLine) -> None:
    refused(crossover("check", "nowhere.yaml"), "nowhere.yaml")


def test_bad_yaml(crossover: CommandLine) -> None:
    refused(crossover("check", write(crossover, "migration: [unclosed")), "notes.yaml:1")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    from: notes\n", "    from: notes\n    colour: red\n", "colour"),
        ("    from: notes\n", "    from: notes\n    exclude: [bodi]\n", "bodi"),
        ("NOTE#{note_id}", "NOTE#{body}#{note_id}", "esc"),
        ('"NOTE#{note_id}"', '"{done}"', "done"),
        ("items:\n", "retention: {dumps: 5}\nitems:\n", "dumps"),
        ("    from: notes\n", "    from: notes\n    version: row_version\n", "no column `row_version`"),
    ],
    ids=[
        "unknown key",
        "unknown column",
        "template that can collide",
        "key of a type that cannot be one",
        "unknown key of retention",
        "unknown version column",
    ],
)
@pytest.mark.usefixtures("notes")
def test_wrong_mapping(crossover: CommandLine, old: str, new: str, expected: str) -> None:
    refused(crossover("check", write(crossover, NOTES.replace(old, new))), "notes.yaml:", expected)


@pytest.mark.usefixtures("notes")
def test_good_mapping(crossover: CommandLine) -> None:
    assert crossover("check", write(crossover, NOTES)).status == 0


def test_a_sample_that_is_no_share(crossover: CommandLine) -> None:
    refused(crossover("verify", write(crossover, NOTES), "--sample", "10%"), "--sample 10%: give a share above 0")


def test_unreachable_database(crossover: CommandLine) -> None:
    url = "postgresql://me:secret-word@127.0.0.1:1/shop"
    finished = crossover("snapshot", write(crossover, NOTES), CROSSOVER_SOURCE_URL=url)
    refused(finished, "127.0.0.1:1")
    assert "secret-word" not in finished.err


def test_unreachable_endpoint(crossover: CommandLine) -> None:
    refused(
        crossover("tables", write(crossover, NOTES), AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:1"),
        "127.0.0.1:1",
    )


def test_table_with_other_keys(crossover: CommandLine) -> None:
    dynamodb_client().create_table(
        TableName="notes",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    refused(crossover("tables", write(crossover, NOTES)), "notes", "pk", "id")


def test_warehouse_not_writable(crossover: CommandLine) -> None:
    file = crossover.folder / "file"
    file.write_text("in the way")
    refused(crossover("snapshot", write(crossover, NOTES), CROSSOVER_WAREHOUSE=str(file / "warehouse")), str(file))


@pytest.mark.usefixtures("notes")
def test_mapping_changed_between_two_stages(crossover: CommandLine) -> None:
    assert crossover("snapshot", write(crossover, NOTES)).status == 0
    changed = write(crossover, NOTES.replace("from: notes\n", "from: notes\n    exclude: [body]\n"))
    refused(crossover("records", changed), "mapping changed")


@pytest.mark.parametrize("missing", ["CROSSOVER_SOURCE_URL", "CROSSOVER_WAREHOUSE"])
def test_missing_setting(crossover: CommandLine, missing: str) -> None:
    refused(crossover("snapshot", write(crossover, NOTES), **{missing: ""}), missing)


def test_missing_region(crossover: CommandLine) -> None:
    refused(crossover("tables", write(crossover, NOTES), AWS_REGION="", AWS_DEFAULT_REGION=""), "AWS_REGION")


def test_mysql_is_refused(crossover: CommandLine) -> None:
    refused(crossover("check", write(crossover, NOTES), CROSSOVER_SOURCE_URL="mysql://u@127.0.0.1/x"), "MySQL")


def test_usage_error_as_json(crossover: CommandLine) -> None:
    finished = crossover("check", "nowhere.yaml", "--json")
    assert finished.status == 2
    assert set(json.loads(finished.out)["error"]) == {"code", "message"}


def test_stage_before_its_time(crossover: CommandLine) -> None:
    refused(crossover("records", write(crossover, NOTES)), "snapshot")
