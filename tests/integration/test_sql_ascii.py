"""A database that checks no encoding: what is UTF-8 passes, what is not is one row's reject, or bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pyspark.sql import SparkSession

from pipelines.errors import CrossoverError
from pipelines.mapping.outcome import Assembled, Rejected
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from tests.both_ways import Outcomes, bulk_outcomes, online_outcomes
from tests.type_samples import Sample, samples
from tests.typed_table import TypedColumn, columns_for, compare, create_table
from tests.types_page import answers

pytestmark = pytest.mark.integration

WANTED = (
    "text",
    "varchar(20)",
    "char(4)",
    "name",
    "json",
    "text[]",
    "char(4)[]",
    "tags[]",
    "tsvector",
    "inet[]",
    "date",
)
INVALID = (b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"\xe4 latin")
VALID = ("", "é", "abcd", "😀", "\ufeff")


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    """Of a SQL_ASCII database."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE unchecked ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    yield postgres_server.rpartition("/")[0] + "/unchecked"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE unchecked WITH (FORCE)")


def as_bytes(text: bytes) -> sql.Composable:
    return sql.SQL("pg_catalog.convert_from({}, 'SQL_ASCII')").format(sql.Literal(text))


def spelled(sample: Sample, text: bytes) -> bytes:
    """The bytes in a value of this type."""
    quoted = b'"' + text + b'"'
    match sample.type:
        case "json":
            return b'{"a": ' + quoted + b"}"
        case "text[]" | "char(4)[]":
            return b"{x," + quoted + b"}"
        case "tags[]":
            return b'{"{\\"' + text + b'\\"}"}'
        case "tsvector":
            return b"'" + text + b"x'"
        case "inet[]":
            return b"{10.0.0.1}"
        case "date":
            return b"2026-11-24"
    return text


def rows(columns: list[TypedColumn]) -> Iterator[dict[str, sql.Composable]]:
    for valid in VALID:
        yield {column.name: as_bytes(spelled(column.sample, valid.encode())) for column in columns}
    for column in columns:
        for invalid in INVALID:
            yield {column.name: as_bytes(spelled(column.sample, invalid))}


def test_every_form_of_a_text(url: str, tmp_path: Path, spark: SparkSession) -> None:
    every = samples()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DOMAIN tags AS text[]")
        columns = columns_for([every[type] for type in WANTED], answers())
        create_table(connection, "typed", columns, rows(columns))
    agreed = compare(url, {"typed": columns}, tmp_path, spark)
    assert sum(found.item is not None for found in agreed) > 10
    assert sum(found.reason == "invalid_text" for found in agreed) > 50


SCHEMA = """
CREATE TYPE mood AS ENUM ('sad');
CREATE TABLE readers (code text PRIMARY KEY, name char(6), mood mood, n int);
CREATE TABLE loans (reader text, line int, label char(3), PRIMARY KEY (reader, line));
"""
MAPPING = """
migration: unchecked
target: {tables: {readers: {partition_key: {name: n, type: N}}}}
items:
  reader:
    table: readers
    from: readers
    where: "name <> 'no'"
    key: {n: "{n}"}
    exclude: [n, code, name]
    set: {shouted: "{name:upper}!", code_bytes: "{code}"}
    types: {code: B}
    embed:
      loans: {from: loans, on: {reader: code}, as: list, order_by: [-label], include: [line]}
"""


def outcomes_of(url: str, folder: Path, spark: SparkSession) -> tuple[Outcomes, Outcomes]:
    path = folder / "unchecked.yaml"
    path.write_text(MAPPING)
    migration = Migration.open(path, folder / "warehouse")
    return bulk_outcomes(migration, spark, url), online_outcomes(migration, url)


def test_joins_orders_and_templates_go_by_bytes(url: str, tmp_path: Path, spark: SparkSession) -> None:
    people = [(b"a", b"Ann", 1), (b"b\xc3\xa9", b"\xc3\xa9", 2), (b"c", b"\xff", 3), (b"d", b"no", 4)]
    loans = [
        (b"a", 1, b"\xff"),
        (b"a", 2, b"\xee\x80\x80"),
        (b"a", 3, b"\xc3\xa9"),
        (b"b\xc3\xa9", 1, b"x"),
        (b"b\xc3", 1, b"x"),
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        for code, name, n in people:
            connection.execute(
                sql.SQL("INSERT INTO readers VALUES ({}, {}, 'sad', {})").format(as_bytes(code), as_bytes(name), n)
            )
        for code, line, label in loans:
            connection.execute(
                sql.SQL("INSERT INTO loans VALUES ({}, {}, {})").format(as_bytes(code), line, as_bytes(label))
            )
    bulk, online = outcomes_of(url, tmp_path, spark)
    assert bulk == {key: online[key] for key in bulk}
    items = {key: json.loads(found.item) for (_, key), found in bulk.items() if isinstance(found, Assembled)}
    assert {key: [int(loan["M"]["line"]["N"]) for loan in item["loans"]["L"]] for key, item in items.items()} == {
        '{"code":"a"}': [1, 2, 3],
        '{"code":"bé"}': [1],
    }
    assert items['{"code":"bé"}']["shouted"] == {"S": "É    !"}
    (reject,) = [found for found in bulk.values() if isinstance(found, Rejected)]
    assert (reject.reason, reject.attribute) == ("invalid_text", "shouted")


def test_a_name_that_is_no_utf8_is_an_error(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute(b'ALTER TABLE readers ADD COLUMN "\xff" int')
    path = tmp_path / "unchecked.yaml"
    path.write_text(MAPPING)
    with pytest.raises(CrossoverError, match="invalid byte sequence"):
        take_snapshot(Migration.open(path, tmp_path / "warehouse"), url)
