"""A snapshot is one instant of the source, whatever goes on there meanwhile."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from pipelines.errors import SourceError, WarehouseError
from pipelines.mapping.catalog import TableRef
from pipelines.source import cut, parquet_part, row_groups
from pipelines.source.arrow_session import ArrowSession
from pipelines.source.live import export_live
from pipelines.source.taken import Taken
from tests.chosen_columns import after, everything, ref

pytestmark = pytest.mark.integration

Rows = list[dict[str, object]]


def run(url: str, script: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(script.encode())


def rows_of(export: Taken, name: str, folder: Path) -> Rows:
    return [row for file in export.tables[name].files for row in pq.read_table(folder / file).to_pylist()]


@contextmanager
def in_background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


ACCOUNTS = """
CREATE TABLE a (id int PRIMARY KEY, amount int NOT NULL, filler text) WITH (fillfactor = 50);
CREATE TABLE b (LIKE a INCLUDING ALL);
CREATE TABLE moved (id int, amount int);
INSERT INTO a SELECT n, 100, repeat('x', 200) FROM generate_series(1, 1000) n;
INSERT INTO b SELECT n, 100, repeat('x', 200) FROM generate_series(1, 1000) n;
"""
TRANSFER = """
UPDATE a SET amount = amount - 7 WHERE id = %(from)s;
UPDATE b SET amount = amount + 7 WHERE id = %(to)s;
WITH gone AS (DELETE FROM a WHERE id = %(gone)s RETURNING id, amount)
INSERT INTO moved SELECT id, amount FROM gone;
INSERT INTO a SELECT id, amount, repeat('y', 900) FROM moved;
DELETE FROM moved;
"""


def transfer_until(url: str) -> Callable[[threading.Event], None]:
    def work(stop: threading.Event) -> None:
        with closing(psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor)) as connection:
            number = 0
            while not stop.is_set():
                number = number % 1000 + 1
                statement = TRANSFER.replace("%(from)s", str(number)).replace("%(to)s", str(1001 - number))
                connection.execute(f"BEGIN; {statement.replace('%(gone)s', '500')} COMMIT".encode())

    return work


def test_one_cut_of_all_tables_in_many_parts_under_transfers(database_url: str, tmp_path: Path) -> None:
    run(database_url, ACCOUNTS)
    with in_background(transfer_until(database_url)):
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            export = export_live(database_url, [ref("a"), ref("b")], everything, folder, part_pages=3)
            a, b = rows_of(export, "public.a", folder), rows_of(export, "public.b", folder)
            assert len(export.tables["public.a"].files) > 5
            assert sum(int(str(row["amount"])) for row in a + b) == 200_000
            assert sorted(int(str(row["id"])) for row in a) == list(range(1, 1001))
            assert sorted(int(str(row["id"])) for row in b) == list(range(1, 1001))
            assert export.tables["public.a"].rows == len(a)


def test_money_moved_after_the_cut_is_where_it_was(database_url: str, tmp_path: Path) -> None:
    run(database_url, ACCOUNTS)

    def move() -> None:
        run(
            database_url,
            "UPDATE a SET amount = 0; UPDATE b SET amount = 200; DELETE FROM b WHERE id > 10;"
            "INSERT INTO a SELECT n, 1, repeat('z', 500) FROM generate_series(1001, 5000) n",
        )

    export = export_live(database_url, [ref("a"), ref("b")], after(move), tmp_path, part_pages=4)
    for name in ("public.a", "public.b"):
        rows = rows_of(export, name, tmp_path)
        assert {row["amount"] for row in rows} == {100}
        assert sorted(int(str(row["id"])) for row in rows) == list(range(1, 1001))


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("TRUNCATE t", "t"),
        ("ALTER TABLE t ALTER COLUMN a TYPE text", "t"),
        ("DROP TABLE leaf; CREATE TABLE leaf PARTITION OF p DEFAULT", "p"),
        ("TRUNCATE under", "v"),
        ("UPDATE under SET a = 2; REFRESH MATERIALIZED VIEW m", "m"),
    ],
)
def test_what_does_not_obey_snapshots_waits_for_ours(
    database_url: str, tmp_path: Path, statement: str, name: str
) -> None:
    run(
        database_url,
        "CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE under AS SELECT 1 AS a; CREATE VIEW v AS SELECT * FROM under;"
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM under; CREATE TABLE p (a int) PARTITION BY RANGE (a);"
        "CREATE TABLE leaf PARTITION OF p DEFAULT; INSERT INTO p VALUES (1)",
    )
    waiting = threading.Thread(target=run, args=(database_url, statement))

    def begin() -> None:
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive(), f"{statement} did not wait"

    export = export_live(database_url, [ref(name)], after(begin), tmp_path)
    assert rows_of(export, f"public.{name}", tmp_path) == [{"a": 1}]
    waiting.join()


def test_every_table_is_locked_before_the_snapshot_exists(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(database_url, "CREATE TABLE t (a int); CREATE TABLE log (a int)")
    query = "SELECT DISTINCT relation FROM pg_locks WHERE relation IN ('t'::regclass, 'log'::regclass)"
    locked: list[int] = []
    execute = cut._execute

    def watched(connection: object, statement: object, what: str) -> object:
        if what == "the snapshot":
            with closing(psycopg.connect(database_url)) as other:
                locked.append(len(other.execute(query).fetchall()))
        return execute(connection, statement, what)  # type: ignore[arg-type]

    monkeypatch.setattr(cut, "_execute", watched)
    export_live(database_url, [ref("t"), ref("log")], everything, tmp_path)
    assert locked == [2]


def test_a_truncate_that_comes_between_our_locks_is_seen_whole(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot exists, the readers have no locks yet: what is truncated then must not be read as it was before
    in one table and as it is after in the other."""
    run(database_url, "CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE log (a int)")
    truncate = "BEGIN; TRUNCATE t; INSERT INTO log VALUES (1); COMMIT"
    threads: list[threading.Thread] = []
    join = cut._join

    def late_join(reader: ArrowSession, snapshot: str, refs: list[TableRef]) -> None:
        if not threads:
            threads.append(threading.Thread(target=run, args=(database_url, truncate)))
            threads[0].start()
            threads[0].join(0.5)
        join(reader, snapshot, refs)

    monkeypatch.setattr(cut, "_join", late_join)
    export = export_live(database_url, [ref("t"), ref("log")], everything, tmp_path)
    threads[0].join()
    assert rows_of(export, "public.t", tmp_path) == []
    assert rows_of(export, "public.log", tmp_path) == [{"a": 1}]


def test_only_the_columns_asked_for_leave(database_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE TABLE t (id int, password text, name text); INSERT INTO t VALUES (1, 'pw-7f3a', 'x')")
    export = export_live(database_url, [ref("t")], lambda catalog: {catalog.tables[0]: ("id", "name")}, tmp_path)
    assert rows_of(export, "public.t", tmp_path) == [{"id": 1, "name": "x"}]
    assert all(b"password" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_tables_without_rows_columns_or_existence(database_url: str, tmp_path: Path) -> None:
    run(database_url, 'CREATE TABLE empty (a date); CREATE SCHEMA "s.s/é"; CREATE TABLE "s.s/é"."T %" AS SELECT 1 AS a')
    odd = ref("T %", "s.s/é")
    export = export_live(database_url, [ref("empty"), ref("none"), odd], everything, tmp_path)
    assert set(export.tables) == {"public.empty", "s.s/é.T %"}
    assert pq.read_table(tmp_path / export.tables["public.empty"].files[0]).column_names == ["a", "a::raw"]
    assert export.tables["s.s/é.T %"].files == ("s%2Es%2F%C3%A9.T%20%25/part-00000.parquet",)
    assert rows_of(export, "s.s/é.T %", tmp_path) == [{"a": 1}]


def test_two_tables_of_one_printed_name_are_refused(database_url: str, tmp_path: Path) -> None:
    run(
        database_url, 'CREATE SCHEMA a; CREATE SCHEMA "a.b"; CREATE TABLE a."b.c" (x int); CREATE TABLE "a.b".c (x int)'
    )
    with pytest.raises(SourceError, match=r"a\.b\.c"):
        export_live(database_url, [ref("b.c", "a"), ref("c", "a.b")], everything, tmp_path)


@pytest.fixture
def reader_url(database_url: str) -> Iterator[str]:
    """URL of a user who may read only what is granted; the password is `hunter2`."""
    run(database_url, "CREATE ROLE limited LOGIN PASSWORD 'hunter2'")
    yield re.sub("//crossover:[^@]*@", "//limited:hunter2@", database_url)
    run(database_url, "DROP OWNED BY limited; DROP ROLE limited")


def refused(url: str, folder: Path, name: str) -> str:
    with pytest.raises(SourceError) as error:
        export_live(url, [ref(name)], everything, folder)
    text = str(error.value)
    assert "\n" not in text and "hunter2" not in text
    assert error.value.__cause__ is None
    return text


def test_a_table_that_may_not_be_read_is_named(database_url: str, reader_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE TABLE closed (a int)")
    text = refused(reader_url, tmp_path, "closed")
    assert "public.closed" in text and "GRANT" in text


def test_a_grant_of_the_columns_that_are_read_is_enough(database_url: str, reader_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE TABLE t AS SELECT 1 AS a, 's' AS secret; GRANT SELECT (a) ON t TO limited")
    export = export_live(reader_url, [ref("t")], lambda catalog: {catalog.tables[0]: ("a",)}, tmp_path)
    assert rows_of(export, "public.t", tmp_path) == [{"a": 1}]
    assert "public.t" in refused(reader_url, tmp_path, "t")


def test_rows_hidden_by_a_policy_are_an_error_not_a_gap(database_url: str, reader_url: str, tmp_path: Path) -> None:
    run(
        database_url,
        "CREATE TABLE t AS SELECT n AS a FROM generate_series(1, 9) n; GRANT SELECT ON t TO limited;"
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON t USING (a < 3)",
    )
    assert "BYPASSRLS" in refused(reader_url, tmp_path, "t")


def test_an_error_in_the_middle_names_the_table_and_shows_no_value(database_url: str, tmp_path: Path) -> None:
    run(
        database_url,
        "CREATE TABLE t AS SELECT CASE n WHEN 9000 THEN 'hunter2' ELSE '1' END AS a FROM generate_series(1, 9001) n;"
        "CREATE VIEW bad AS SELECT a::int FROM t",
    )
    text = refused(database_url, tmp_path, "bad")
    assert "public.bad" in text and "22P02" in text


def test_a_statement_timeout_is_told(database_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE VIEW slow AS SELECT 1 AS a FROM pg_sleep(30)")
    run(database_url, f"ALTER DATABASE {database_url.rpartition('/')[2]} SET statement_timeout = '500ms'")
    assert "the database's; CROSSOVER_STATEMENT_TIMEOUT" in refused(database_url, tmp_path, "slow")


def test_a_statement_timeout_of_ours_is_told_with_its_value(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(
        database_url,
        "CREATE VIEW slow AS SELECT n AS a FROM generate_series(1, 1000) n WHERE pg_sleep(0.01) IS NOT NULL",
    )
    monkeypatch.setenv("CROSSOVER_STATEMENT_TIMEOUT", "0.5")
    text = refused(database_url, tmp_path, "slow")
    assert "public.slow" in text and "statement_timeout (CROSSOVER_STATEMENT_TIMEOUT=0.5" in text


def test_a_statement_timeout_while_a_reader_is_set_up_is_no_lost_connection(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(database_url, "CREATE TABLE t (a int)")
    monkeypatch.setattr(cut, "_NOTICE_DEATH", sql.SQL("SELECT pg_catalog.pg_sleep(5)"))
    monkeypatch.setenv("CROSSOVER_STATEMENT_TIMEOUT", "0.5")
    assert "CROSSOVER_STATEMENT_TIMEOUT=0.5" in refused(database_url, tmp_path, "t")


def test_a_lock_that_cannot_be_had_is_told(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(database_url, "CREATE TABLE t (a int)")
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", "1")
    with closing(psycopg.connect(database_url)) as connection:
        connection.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        text = refused(database_url, tmp_path, "t")
    assert "public.t" in text and "lock" in text


KILL_READER = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'crossover' AND wait_event = 'PgSleep'
"""


def test_a_lost_connection_is_told(database_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE VIEW slow AS SELECT 1 AS a FROM pg_sleep(30)")

    def kill() -> None:
        with closing(psycopg.connect(database_url, autocommit=True)) as connection:
            while connection.execute(KILL_READER).fetchone() == (0,):
                threading.Event().wait(0.05)

    thread = threading.Thread(target=kill)

    with pytest.raises(SourceError, match=r"public\.slow: the connection was lost"):
        export_live(database_url, [ref("slow")], after(thread.start), tmp_path)
    thread.join()


def test_the_first_failure_ends_the_other_reader_at_once(database_url: str, tmp_path: Path) -> None:
    run(
        database_url,
        "CREATE VIEW slow AS SELECT 1 AS a FROM pg_sleep(600); CREATE VIEW bad AS SELECT 1 / 0 AS a FROM pg_sleep(0.3)",
    )
    with pytest.raises(SourceError, match=r"public\.bad"):
        export_live(database_url, [ref("slow"), ref("bad")], everything, tmp_path)


def test_a_full_disk_is_told(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(database_url, "CREATE TABLE t AS SELECT n AS a, md5(n::text) AS b FROM generate_series(1, 200000) n")
    monkeypatch.setattr("secrets.token_hex", lambda count: "x" * count)
    folder = tmp_path / "public.t"
    folder.mkdir()
    (folder / ".part-00000.parquet.xxxx").symlink_to("/dev/full")
    with pytest.raises(WarehouseError, match=r"part-00000.parquet: .*No space left on device") as error:
        export_live(database_url, [ref("t")], everything, tmp_path)
    assert "\n" not in str(error.value)
    assert list(folder.iterdir()) == []


def test_large_tables_come_in_row_groups(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_part, "BATCH_BYTES", 10_000)
    monkeypatch.setattr(row_groups, "ROW_GROUP_ROWS", 1000)
    run(database_url, "CREATE TABLE t AS SELECT n AS a, repeat('x', 100) AS b FROM generate_series(1, 10000) n")
    export = export_live(database_url, [ref("t")], everything, tmp_path)
    file = pq.ParquetFile(tmp_path / export.tables["public.t"].files[0])
    with closing(file):
        sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert sum(sizes) == 10000 and len(sizes) > 5 and max(sizes) < 3000


def test_it_leaves_no_session_behind(database_url: str, tmp_path: Path) -> None:
    run(database_url, "CREATE TABLE t (a int)")
    export_live(database_url, [ref("t")], everything, tmp_path)
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'crossover'"
    )
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        # A session's end is noticed by the server in its own time.
        assert any(
            connection.execute(f"{count} AND pg_sleep(0.1) IS NOT NULL".encode()).fetchone() == (0,)
            or threading.Event().wait(0.1)
            for _ in range(100)
        )
