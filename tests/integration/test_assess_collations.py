"""The collations that `crossover assess` sees, against the order in which PostgreSQL puts rows. Debian's server has
ICU, the embedded one has not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from pipelines import cli
from pipelines.assess.assess import Assessment, assess
from pipelines.source import embedded
from pipelines.source.embedded import EmbeddedPostgres
from pipelines.warehouse.place import Place
from tests.tls_postgres import debian_binaries

pytestmark = pytest.mark.integration

TELLING = ["a", "B", "b", "A", "é", "z", "Z", "_", "-a", "a b", "ab", "😀", "\uff5e", "10", "9"]
"""Sorted by bytes they are in another order than by any language's rules."""

TABLE = """
    CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE DOMAIN handle AS text COLLATE "C";
    CREATE TABLE words (id int PRIMARY KEY, plain text, fixed char(8), short varchar(9), named name,
        ours handle, bytes text COLLATE "C", posix text COLLATE "POSIX", ucs text COLLATE ucs_basic,
        german text COLLATE "de-x-icu", loose text COLLATE any_case, token uuid, day date);
    CREATE INDEX ON words (plain)
"""
TEXTS = ("plain", "fixed", "short", "named", "ours", "bytes", "posix", "ucs", "german", "loose")
WORKLOAD = """
    SELECT * FROM words WHERE plain > 'b' ORDER BY plain LIMIT 5;
    SELECT * FROM words WHERE plain LIKE 'b%';
    SELECT * FROM words WHERE bytes > 'b' ORDER BY bytes LIMIT 5;
    SELECT * FROM words WHERE loose = 'b';
"""


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a database whose default is ICU's en-US."""
    programs = debian_binaries()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "binaries", lambda: programs)
        with EmbeddedPostgres(tmp_path_factory.mktemp("english"), durable=False) as server:
            icu = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' TEMPLATE template0"
            run(server.url, f"CREATE DATABASE english {icu}")
            url = f"{server.url.rpartition('/')[0]}/english"
            run(url, *TABLE.split(";"))
            columns = ", ".join(TEXTS)
            with closing(psycopg.connect(url, autocommit=True)) as connection:
                for number, word in enumerate(TELLING):
                    row = [number, *(word for _ in TEXTS)]
                    places = ", ".join(["%s"] * len(row))
                    connection.execute(f"INSERT INTO words (id, {columns}) VALUES ({places})".encode(), row)
                    # a table of more than a page's megabyte is not read whole
                connection.execute(
                    "INSERT INTO words (id, plain) SELECT n, repeat('x', 200) FROM generate_series(100, 9999) n"
                )
                connection.execute("ANALYZE")
            yield url


def run(url: str, *statements: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture(scope="module")
def found(english: str, tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    folder = tmp_path_factory.mktemp("assessed")
    (folder / "workload.sql").write_text(WORKLOAD, encoding="utf-8")
    return assess(english, ["public"], Place.of(folder), folder / "workload.sql", sampled=False)


def test_a_column_is_told_where_rows_come_in_another_order_than_by_bytes(english: str, found: Assessment) -> None:
    told = found.evidence.tables[0].collations
    assert told is not None
    with closing(psycopg.connect(english)) as connection:
        for column in TEXTS:
            rows = connection.execute(f"SELECT {column}::text FROM words WHERE id < 100 ORDER BY {column}".encode())
            in_order = [text.encode() for (text,) in rows]
            assert len(in_order) == len(TELLING)
            assert (column in told) is (in_order != sorted(in_order)), column
    assert {name: (one.name, one.deterministic) for name, one in told.items()} == {
        "plain": ("en-US", True),
        "fixed": ("en-US", True),
        "short": ("en-US", True),
        "german": ("de-x-icu", True),
        "loose": ("any_case", False),
    }


def test_what_a_key_does_not_order_is_said(found: Assessment) -> None:
    by_line = {one.positions[0].rpartition(":")[2]: one.id for one in found.patterns.patterns}
    answers = {one.pattern: one for one in found.design.mappings[0].answers}
    ranged, begun, by_bytes, loose = (answers[by_line[line]] for line in ("2", "3", "4", "5"))
    assert [one.is_served for one in (ranged, begun, by_bytes, loose)] == [False, True, True, False]
    assert "plain sorts by collation en-US, a key by bytes" in ranged.reason
    assert (begun.left, by_bytes.left) == ((), ())
    assert "loose is compared by collation any_case" in loose.reason


def test_the_page_says_it(english: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "workload.sql").write_text(WORKLOAD, encoding="utf-8")
    arguments = ["--queries", str(tmp_path / "workload.sql"), "--out", str(tmp_path / "out"), "--no-sample"]
    assert cli.run(["assess", english, *arguments]) == 0
    assert "sorts by collation en-US" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_database_of_c_tells_none(database_url: str, tmp_path: Path) -> None:
    """But a column's own; the catalogue is bent for it, since no such locale need be there."""
    run(
        database_url,
        "CREATE COLLATION english (provider = libc, locale = 'C')",
        "UPDATE pg_collation SET collcollate = 'en_US.UTF-8' WHERE collname = 'english'",
        'CREATE TABLE t (id int PRIMARY KEY, a text, b text COLLATE english, c text COLLATE "C", d name)',
    )
    found = assess(database_url, ["public"], Place.of(tmp_path), sampled=False)
    told = found.evidence.tables[0].collations
    assert told is not None
    assert {name: one.name for name, one in told.items()} == {"b": "english"}
