"""`crossover assess` ends with a page beside the files that it is made from."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from pipelines import cli
from pipelines.assess.evidence import Evidence
from pipelines.assess.patterns import Patterns
from tests.unit.expectations.tables import Tables

pytestmark = pytest.mark.integration

SCHEMA = """\
CREATE TABLE customers (customer_id int PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, note text);
INSERT INTO customers SELECT n, 'n' || n FROM generate_series(1, 50) n;
INSERT INTO orders SELECT n, n % 50 + 1, 's3kr1t' FROM generate_series(1, 400) n;
ANALYZE;
"""
MAPPING = """\
migration: shop
target: {tables: {orders: {partition_key: {name: pk, type: S}}}}
items: {order: {table: orders, from: orders, key: {pk: "ORDER#{order_id}"}}}
"""
QUERIES = """\
SELECT * FROM orders WHERE order_id = 4711;
SELECT * FROM orders WHERE customer_id = 4711;
SELECT note, count(*) FROM orders WHERE note <> 's3kr1t' GROUP BY note;
"""


def test_the_page_is_written_last_and_leads_to_its_files(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        connection.execute(SCHEMA.encode())
    queries, out = tmp_path / "queries.sql", tmp_path / "out"
    queries.write_text(QUERIES, encoding="utf-8")
    (tmp_path / "own.yaml").write_text(MAPPING, encoding="utf-8")
    given = ["--queries", str(queries), "--mapping", str(tmp_path / "own.yaml")]
    arguments = ["assess", database_url, *given, "--out", str(out)]
    assert cli.run(arguments) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {out / 'report.html'}"
    assert cli.run([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["report"] == str(out / "report.html")

    html = (out / "report.html").read_text(encoding="utf-8")
    page = Tables(html)
    links = [str(one["href"]) for one in page.all("a")]
    assert all((out / link).is_file() for link in links if not link.startswith("#"))
    evidence = Evidence.model_validate_json((out / "evidence.json").read_text())
    patterns = Patterns.model_validate_json((out / "patterns.json").read_text())
    assert page.row("Tables, the largest first", "orders")[1] == "400"
    assert page.row("Tables, the largest first", "orders")[4].startswith("+0 rows")
    assert len(page.tables["Access patterns"]) - 1 == len(patterns.patterns) == 3
    assert f"{evidence.taken_at:%Y-%m-%d %H:%M:%S} UTC" in page.text
    assert "orders (customer_id) → customers (customer_id)" in page.text
    assert "s3kr1t" not in html and "4711" not in html
    assert page.tables["The mappings side by side"][0] == ["", "The draft", "own.yaml"]
    assert page.row("The mappings side by side", "Reads that a key answers")[2] == "1 of 3"
    password = database_url.partition("crossover:")[2].partition("@")[0]
    assert password and password not in html
