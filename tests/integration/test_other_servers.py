"""What the embedded server is not: one with XML, an older one, a database in another encoding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pyspark.sql import SparkSession

from pipelines.mapping.outcome import Assembled
from pipelines.migration import Migration
from pipelines.source import embedded
from pipelines.source.embedded import EmbeddedPostgres
from tests.both_ways import bulk_outcomes, online_outcomes
from tests.tls_postgres import debian_binaries

pytestmark = pytest.mark.integration

MAPPING = """
migration: other
target: {tables: {rows: {partition_key: {name: id, type: N}}}}
items:
  row: {table: rows, from: rows, key: {id: "{id}"}, exclude: [id]}
"""


@pytest.fixture(scope="module")
def debian_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of Debian's PostgreSQL; skips where there is none."""
    programs = debian_binaries()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "binaries", lambda: programs)
        with EmbeddedPostgres(tmp_path_factory.mktemp("debian"), durable=False) as server:
            yield server.url


@pytest.fixture
def latin_url(postgres_server: str) -> Iterator[str]:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    yield postgres_server.rpartition("/")[0] + "/latin"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE latin WITH (FORCE)")


def items_of(url: str, schema: str, folder: Path, spark: SparkSession) -> list[dict[str, object]]:
    """Every row as an item without types, by its id; bulk and online must agree."""
    with psycopg.connect(url, autocommit=True, client_encoding="UTF8") as connection:
        connection.execute(schema.encode())
    path = folder / "other.yaml"
    path.write_text(MAPPING)
    migration = Migration.open(path, folder / "warehouse")
    bulk = bulk_outcomes(migration, spark, url)
    assert bulk == online_outcomes(migration, url)
    items = [json.loads(found.item) for _, found in sorted(bulk.items()) if isinstance(found, Assembled)]
    return [{name: next(iter(value.values())) for name, value in item.items() if name != "id"} for item in items]


XML = r"""
CREATE TABLE rows (id int PRIMARY KEY, doc xml, docs xml[], byte "char", price money, prices money[]);
INSERT INTO rows VALUES
    (1, '<a b="c">é<!-- x --></a>', ARRAY['<a/>'::xml, NULL], ((-128)::int4)::"char", '-1234.5', '{1,NULL}'),
    (2, 'just text, <b/> and more', '{}', ((-1)::int4)::"char", '0.1', '{}');
"""


def test_xml_bytes_and_money_on_an_older_server(debian_url: str, tmp_path: Path, spark: SparkSession) -> None:
    with psycopg.connect(debian_url) as connection:
        if not connection.execute("SELECT 1 FROM pg_config() WHERE setting LIKE '%with-libxml%'").fetchall():
            pytest.skip("needs a PostgreSQL that was built with libxml")
    assert items_of(debian_url, XML, tmp_path, spark) == [
        {
            "doc": '<a b="c">é<!-- x --></a>',
            "docs": [{"S": "<a/>"}, {"NULL": True}],
            "byte": r"\200",
            "price": "-1234.5",
            "prices": [{"N": "1"}, {"NULL": True}],
        },
        {"doc": "just text, <b/> and more", "docs": [], "byte": r"\377", "price": "0.1", "prices": []},
    ]


LATIN = r"""
CREATE TABLE rows (id int PRIMARY KEY, "Größe" text, padded char(3), list text[]);
INSERT INTO rows VALUES (1, 'déjà ÿ', 'é', '{ü,"a b"}');
"""


def test_the_server_converts_latin1(latin_url: str, tmp_path: Path, spark: SparkSession) -> None:
    assert items_of(latin_url, LATIN, tmp_path, spark) == [
        {"Größe": "déjà ÿ", "padded": "é  ", "list": [{"S": "ü"}, {"S": "a b"}]}
    ]
