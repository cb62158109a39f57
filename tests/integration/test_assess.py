"""`crossover assess` against a real PostgreSQL: what it sees, what it reads for it, and what it says when it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from examples.shop.generate import load
from pipelines import cli
from pipelines.assess.assess import Assessment, assess
from pipelines.assess.collect.row_counts import PAGES
from pipelines.assess.evidence import RowsFrom, StatementsFrom, TableEvidence
from pipelines.assess.folder import read_evidence
from pipelines.assess.patterns import Pattern, PatternClass
from pipelines.source.embedded import EmbeddedPostgres
from pipelines.warehouse.place import Place
from tests.rental import SCHEMA, WORKLOAD, expected_of

pytestmark = pytest.mark.integration

SHOP_WORKLOAD = Path(__file__).parents[2] / "examples" / "shop" / "workload.sql"


def run(url: str, *statements: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def assessed(
    url: str, folder: Path, queries: Path | None = None, schema: str = "public", *, sampled: bool = False
) -> Assessment:
    return assess(url, [schema], Place.of(folder), queries, sampled=sampled)


def table(found: Assessment, name: str) -> TableEvidence:
    return next(one for one in found.evidence.tables if one.ref.table == name)


@pytest.fixture(scope="module")
def statistics_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With pg_stat_statements loaded: the rental in `rental`, the shop in `shop`."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    run(server.url, "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    server.stop()
    with server:
        base = server.url.rpartition("/")[0]
        run(server.url, "CREATE DATABASE rental", "CREATE DATABASE shop")
        run(f"{base}/rental", SCHEMA.read_text(encoding="utf-8"), "ANALYZE")
        load(f"{base}/shop", 0.2)
        run(f"{base}/shop", "ANALYZE")
        yield base


@pytest.mark.parametrize(("database", "workload"), [("rental", WORKLOAD), ("shop", SHOP_WORKLOAD)])
def test_every_statement_is_what_a_person_called_it(
    statistics_server: str, tmp_path: Path, database: str, workload: Path
) -> None:
    found = assessed(f"{statistics_server}/{database}", tmp_path, workload)
    by_line = {int(place.rpartition(":")[2]): one for one in found.patterns.patterns for place in one.positions}
    wrong = [
        (one.line, by_line[one.line].pattern, by_line[one.line].table, by_line[one.line].reason)
        for one in expected_of(workload)
        if not (
            by_line[one.line].pattern == one.pattern
            and one.table in ("", by_line[one.line].table)
            and one.alternative in ("", by_line[one.line].alternative)
        )
    ]
    assert wrong == []
    assert len(by_line) == len(list(expected_of(workload))) >= 25


def test_the_rental_is_seen_as_it_is(statistics_server: str, tmp_path: Path) -> None:
    url = f"{statistics_server}/rental"
    found = assessed(url, tmp_path, WORKLOAD)
    with closing(psycopg.connect(url)) as connection:
        for one in found.evidence.tables:
            count = connection.execute(f"SELECT count(*) FROM {one.ref.table}".encode()).fetchone()
            assert (one.rows,) == count, one.ref
    payment = table(found, "payment")
    assert [part.table for part in payment.partitions] == ["payment_2026_01", "payment_2026_02"]
    assert payment.indexes[0].columns == ("payment_date", "payment_id")
    assert table(found, "customer").unique_keys == (("email",),)
    staff = table(found, "customer").columns
    assert staff["active"].distinct == 2.0
    assert staff["email"].distinct == pytest.approx(600)
    rental = table(found, "rental").columns["return_date"]
    assert rental.null_share == pytest.approx(0.02, abs=0.005)
    assert {(key.table.table, key.parent.table) for key in found.evidence.foreign_keys} >= {
        ("store", "staff"),
        ("staff", "store"),
        ("payment", "rental"),
    }
    assert found.evidence.notes == ()


def test_pg_stat_statements(statistics_server: str, tmp_path: Path) -> None:
    url = f"{statistics_server}/rental"
    run(url, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "SELECT pg_stat_statements_reset()")
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for number in range(30):
            connection.execute("SELECT title FROM film WHERE film_id = %s", (number,))
        connection.execute("SELECT * FROM rental WHERE customer_id IN (1, 2, 3) AND rental_date > now()")
        connection.execute("SET work_mem = '5MB'")
    found = assessed(url, tmp_path)
    assert found.evidence.statements.source is StatementsFrom.PG_STAT_STATEMENTS
    assert found.patterns.window_seconds is not None
    film = pattern_on(found, "film")
    assert (film.pattern, film.load.calls, film.load.rows) == (PatternClass.POINT_READ, 30, 29)
    assert film.load.calls_per_second == pytest.approx(30 / found.patterns.window_seconds)
    assert pattern_on(found, "rental").pattern is PatternClass.RANGE_READ
    assert sum(one.load.share_of_time or 0 for one in found.patterns.patterns) == pytest.approx(1)
    assert film.positions[0].startswith("queryid ")


def test_an_extension_that_is_not_loaded_is_one_note(database_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE TABLE t (id int)", "CREATE EXTENSION pg_stat_statements")
    found = assessed(database_url, tmp_path)
    assert "installed but not loaded" in found.evidence.notes[0]
    assert (found.evidence.statements.source, found.patterns.statements) == (StatementsFrom.NONE, 0)


def pattern_on(found: Assessment, name: str) -> Pattern:
    (pattern,) = [one for one in found.patterns.patterns if one.table == name]
    return pattern


def test_statements_of_others_are_counted_as_hidden(statistics_server: str, tmp_path: Path) -> None:
    url = f"{statistics_server}/rental"
    run(url, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "SELECT * FROM film WHERE film_id = 1")
    role = "assess_reader"
    run(url, f"CREATE ROLE {role} LOGIN PASSWORD 'x'", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    as_role = url.replace("crossover:", f"{role}:x@", 1).replace(f"{password(url)}@", "", 1)
    found = assessed(as_role, tmp_path, sampled=True)
    assert "hidden: GRANT pg_read_all_stats" in found.evidence.statements.notes[0]
    assert table(found, "film").rows == 2000


def password(url: str) -> str:
    return url.partition("crossover:")[2].partition("@")[0]


def test_what_is_read_of_tables_is_bounded(database_url: str, tmp_path: Path) -> None:
    """Nothing of a table that has statistics; the first pages of one that was never analysed."""
    run(
        database_url,
        "CREATE TABLE known (id int PRIMARY KEY, note text)",
        "INSERT INTO known SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n",
        "ANALYZE known",
        "CREATE TABLE fresh (id int, note text) WITH (autovacuum_enabled = false)",
        "INSERT INTO fresh SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n",
        "CREATE TABLE empty (id int PRIMARY KEY)",
    )
    before = blocks(database_url)
    found = assess(database_url, ["public"], Place.of(tmp_path), sampled=False)
    after = blocks(database_url)
    assert found.design is not None
    assert [one.estimates for one in found.design.mappings] == [None]
    assert after["known"] == before["known"]
    assert after["fresh"] - before["fresh"] <= PAGES
    assert table(found, "known").rows == 20000
    assert table(found, "fresh").rows_from is RowsFrom.PAGES
    assert table(found, "fresh").rows == pytest.approx(20000, rel=0.02)
    assert (table(found, "empty").rows, table(found, "empty").rows_from) == (0, RowsFrom.EMPTY)
    assert any("no statistics of 1 tables (public.fresh)" in note for note in found.evidence.notes)
    assert any("pg_stat_statements is not installed" in note for note in found.evidence.notes)


def blocks(url: str) -> dict[str, int]:
    """Pages that were read of each table, from disk or from memory."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        return dict(
            connection.execute("SELECT relname, heap_blks_read + heap_blks_hit FROM pg_statio_user_tables").fetchall()
        )


def test_odd_schemas(database_url: str, tmp_path: Path) -> None:
    wide = ", ".join(f'"column {n}" text' for n in range(1000))
    run(
        database_url,
        'CREATE SCHEMA "odd.schema"',
        f'CREATE TABLE "odd.schema"."wide ""table" (id int PRIMARY KEY, {wide})',
        'CREATE TABLE "odd.schema".parent (tenant int, "Id" int, name text, PRIMARY KEY (tenant, "Id"))',
        'CREATE TABLE "odd.schema"."ch.ild" (tenant int, id int, "Parent Id" int, PRIMARY KEY (tenant, id),'
        ' FOREIGN KEY (tenant, "Parent Id") REFERENCES "odd.schema".parent)',
        'CREATE TABLE "odd.schema".a (id int PRIMARY KEY, b_id int)',
        'CREATE TABLE "odd.schema".b (id int PRIMARY KEY, a_id int REFERENCES "odd.schema".a)',
        'ALTER TABLE "odd.schema".a ADD FOREIGN KEY (b_id) REFERENCES "odd.schema".b',
        'CREATE TABLE "odd.schema".self (id int PRIMARY KEY, up int REFERENCES "odd.schema".self)',
        'CREATE TABLE "odd.schema".keyless (note text)',
        'CREATE TABLE "odd.schema".nothing ()',
        'CREATE TABLE "odd.schema".parted (id int, at date) PARTITION BY RANGE (at)',
        'CREATE TABLE "odd.schema".lower PARTITION OF "odd.schema".parted'
        " FOR VALUES FROM (MINVALUE) TO ('2026-01-01') PARTITION BY LIST (id)",
        'CREATE TABLE "odd.schema".lowest PARTITION OF "odd.schema".lower DEFAULT',
        'CREATE UNIQUE INDEX ON "odd.schema".keyless (lower(note))',
        'CREATE VIEW "odd.schema".v AS SELECT name FROM "odd.schema".parent WHERE name <> \'s3kr1t\'',
        "INSERT INTO \"odd.schema\".lowest SELECT n, date '2025-01-01' FROM generate_series(1, 10) n",
    )
    queries = tmp_path / "queries.sql"
    queries.write_text(
        'SELECT p.name FROM "ch.ild" c JOIN parent p ON p.tenant = c.tenant AND p."Id" = c."Parent Id" '
        "WHERE c.tenant = 1 AND c.id = 2;\n"
        'SELECT "column 7" FROM "odd.schema"."wide ""table" WHERE id = 1;\n'
        "UPDATE a SET b_id = 1 WHERE id = 2;\nUPDATE self SET up = 1 WHERE id = 2;\nDELETE FROM keyless;\n"
        "SELECT * FROM nothing;\nSELECT * FROM lowest WHERE id = 1;\nSELECT * FROM v;\n",
        encoding="utf-8",
    )
    found = assessed(database_url, tmp_path / "out", queries, "odd.schema", sampled=True)
    by_table = {one.table: one.pattern for one in found.patterns.patterns}
    assert by_table == {
        "ch.ild": PatternClass.POINT_READ,
        'wide "table': PatternClass.POINT_READ,
        "a": PatternClass.WRITE,
        "self": PatternClass.WRITE,
        "keyless": PatternClass.WRITE,
        "nothing": PatternClass.PARTITION_READ,
        "parted": PatternClass.NEEDS_GSI,
        "parent": PatternClass.NOT_FOR_DYNAMODB,
    }
    assert table(found, "parted").rows == 10
    assert len(table(found, "parted").partitions) == 2
    assert table(found, "keyless").unique_keys == ()
    assert "s3kr1t" not in found.evidence.model_dump_json()
    assert len(found.evidence.catalog.tables[-1].columns) == 1001


def test_growth_between_two_runs(database_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE TABLE t (id int)", "INSERT INTO t SELECT generate_series(1, 1000)", "ANALYZE")
    first = assessed(database_url, tmp_path)
    assert table(first, "t").growth is None
    run(database_url, "INSERT INTO t SELECT generate_series(1, 500)", "CREATE TABLE u (id int)", "ANALYZE")
    second = assessed(database_url, tmp_path)
    growth = table(second, "t").growth
    assert growth is not None
    assert (growth.since, growth.rows) == (first.evidence.taken_at, 500)
    assert growth.bytes > 0
    assert table(second, "u").growth is None
    assert read_evidence(Place.of(tmp_path / "evidence.json")) == second.evidence
    assert (tmp_path / "patterns.json").is_file()


def test_the_command(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(database_url, "CREATE TABLE t (id int PRIMARY KEY)")
    queries = tmp_path / "q.sql"
    queries.write_text("SELECT * FROM t WHERE id = 4711; SELEC", encoding="utf-8")
    arguments = ["assess", database_url, "--queries", str(queries), "--out", str(tmp_path / "out")]
    assert cli.run([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["tables"], document["statements"]) == (1, 2)
    assert document["classes"]["point_read"] == document["classes"]["unreadable"] == 1
    assert cli.run(arguments) == 0
    said = capsys.readouterr().out
    assert "GetItem of t by its key (id)" in said
    assert "not read: q.sql:1" in said
    assert "4711" not in said
    for written in (tmp_path / "out").iterdir():
        assert "4711" not in written.read_text(encoding="utf-8")
        assert password(database_url) not in written.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema": "nowhere"}, "there is no schema nowhere"),
        ({"schema": "bare"}, "has no table"),
        ({"queries": "nowhere.sql"}, "there is no such file"),
        ({"since": "nowhere.json"}, "there is no such file"),
        ({"evidence": "{"}, "damaged"),
        ({"evidence": '{"format": 2}'}, "newer Crossover"),
        ({"evidence": '{"format": 1}'}, "not what `crossover assess` writes"),
        ({"evidence": "other"}, "is evidence of elsewhere:1/db, not of"),
        ({"url": "mysql://host/db"}, "MySQL is not supported"),
        ({"out": "gs://bucket"}, "neither a folder nor S3"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_one_line(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], expected: str
) -> None:
    run(database_url, "CREATE TABLE t (id int PRIMARY KEY)", "CREATE SCHEMA bare")
    out = tmp_path / "out"
    if "evidence" in change:
        evidence = change["evidence"]
        if evidence == "other":
            real = assessed(database_url, tmp_path / "real").evidence
            evidence = real.model_copy(update={"source": "elsewhere:1/db"}).model_dump_json()
        out.mkdir()
        (out / "evidence.json").write_text(evidence, encoding="utf-8")
    arguments = ["assess", change.get("url", database_url), "--out", change.get("out", str(out))]
    for option in ("schema", "queries", "since"):
        if option in change:
            arguments += [f"--{option}", change[option]]
    assert cli.run(arguments) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert len(said.strip().splitlines()) == 1
    assert "Traceback" not in said
