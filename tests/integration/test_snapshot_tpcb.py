"""Snapshots under pgbench's TPC-B load, and beside everything that does not obey snapshots, are one instant each.

CROSSOVER_TPCB_SNAPSHOTS sets how many are taken under the load, 3 unless set; with more, races are tried everywhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from psycopg.conninfo import conninfo_to_dict

from pipelines.mapping.catalog import TableRef
from pipelines.source import cut
from pipelines.source.child_process import binaries
from pipelines.source.live import export_live
from tests.chosen_columns import everything

pytestmark = pytest.mark.integration

SNAPSHOTS = int(os.environ.get("CROSSOVER_TPCB_SNAPSHOTS", "3"))
STEP = 1 if SNAPSHOTS > 3 else 2  # before each call of a cut's opening, or every second one
SCALE = 1
PART_PAGES = 150

TPCB = tuple(
    TableRef(schema_name="public", table=name)
    for name in ("pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history")
)


@pytest.fixture(autouse=True)
def four_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_READERS", "4")


def pgbench(url: str, *options: str) -> list[str]:
    own = conninfo_to_dict(url)
    return [
        str(binaries() / "pgbench"),
        *("-h", str(own["host"]), "-p", str(own["port"]), "-U", str(own["user"])),
        *options,
        str(own["dbname"]),
    ]


def with_password(url: str) -> dict[str, str]:
    return {**os.environ, "PGPASSWORD": str(conninfo_to_dict(url)["password"])}


@contextmanager
def load(url: str) -> Iterator[None]:
    """Four clients transfer money until the end of the block."""
    command = pgbench(url, "-n", "-c", "4", "-T", "600", "-R", "1500", "--max-tries=10")
    with subprocess.Popen(command, env=with_password(url), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            with closing(psycopg.connect(url, autocommit=True)) as connection:
                while connection.execute("SELECT count(*) > 50 FROM pgbench_history").fetchone() != (True,):
                    assert process.poll() is None, process.communicate()[0]
                    time.sleep(0.05)
            yield
            assert process.poll() is None, "the load has ended early"
        finally:
            process.terminate()
            process.communicate()


@dataclass(frozen=True)
class Books:
    """What must agree at every instant."""

    accounts: int
    branches: int
    tellers: int
    history: int
    rows: tuple[int, int, int]
    transactions: int


def books(url: str, folder: Path) -> Books:
    folder.mkdir()
    export = export_live(url, TPCB, everything, folder, part_pages=PART_PAGES)
    assert len(export.tables["public.pgbench_accounts"].files) > 8

    def table(name: str) -> pa.Table:
        counts = export.tables[f"public.pgbench_{name}"]
        read = pa.concat_tables([pq.read_table(folder / file) for file in counts.files])
        assert read.num_rows == counts.rows
        return read

    accounts, branches, tellers, history = map(table, ("accounts", "branches", "tellers", "history"))
    assert len(pc.unique(accounts["aid"])) == accounts.num_rows
    return Books(
        accounts=pc.sum(accounts["abalance"]).as_py(),
        branches=pc.sum(branches["bbalance"]).as_py(),
        tellers=pc.sum(tellers["tbalance"]).as_py(),
        history=pc.sum(history["delta"]).as_py(),
        rows=(accounts.num_rows, branches.num_rows, tellers.num_rows),
        transactions=history.num_rows,
    )


def test_the_books_balance_in_every_snapshot(database_url: str, tmp_path: Path) -> None:
    subprocess.run(
        pgbench(database_url, "-i", "-q", "-s", str(SCALE), "-F", "50"),
        env=with_password(database_url),
        check=True,
        capture_output=True,
    )
    seen: list[Books] = []
    with load(database_url):
        for number in range(SNAPSHOTS):
            found = books(database_url, tmp_path / str(number))
            assert found.accounts == found.branches == found.tellers == found.history
            assert found.rows == (100_000 * SCALE, SCALE, 10 * SCALE)
            seen.append(found)
    assert len({one.transactions for one in seen}) == SNAPSHOTS, "the load stood still"


def run(url: str, script: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in script.split(";"):
            connection.execute(statement.encode())


def rows_of(url: str, folder: Path, *names: str) -> list[int]:
    """Rows of each table in one snapshot."""
    folder.mkdir(exist_ok=True)
    refs = [TableRef(schema_name="public", table=name) for name in names]
    export = export_live(url, refs, everything, folder, part_pages=2)
    return [export.tables[f"public.{name}"].rows for name in names]


STEPS = ("connect", "_open_readers", "read_catalog", "_execute", "reader_execute", "oids", "_size", "members")
"""Everything that opening a cut consists of; the race is begun before each of these calls in turn."""


@contextmanager
def before_call(number: int, action: Callable[[], None]) -> Iterator[list[str]]:
    """`action` begins, in a thread of its own, before the call of this number of any of STEPS; gives their names."""
    called: list[str] = []
    threads: list[threading.Thread] = []

    def watched(name: str, original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            called.append(name)
            if len(called) == number:
                threads.append(threading.Thread(target=action))
                threads[0].start()
                threads[0].join(0.05)
            return original(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(cut, name, watched(name, getattr(cut, name)))
        yield called
    for thread in threads:
        thread.join()


RACED = "CREATE TABLE t AS SELECT n AS a FROM generate_series(1, 3000) n; CREATE TABLE log (a int)"


@pytest.mark.parametrize(("statement", "step"), [("TRUNCATE t", STEP), ("ALTER TABLE t ALTER a TYPE bigint", 4)])
def test_what_ignores_snapshots_races_at_every_point(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, step: int
) -> None:
    """Its transaction writes to `log`: both of its effects are in the snapshot, or neither."""
    monkeypatch.setenv("CROSSOVER_READERS", "2")
    truncates = statement.startswith("TRUNCATE")
    number, ended = 1 - step, False
    outcomes = set()
    while not ended:
        number += step
        run(database_url, f"DROP TABLE IF EXISTS t, log; {RACED}")
        race = f"BEGIN; {statement}; INSERT INTO log VALUES (1); COMMIT"
        with before_call(number, lambda race=race: run(database_url, race)) as called:  # type: ignore[misc]
            t, log = rows_of(database_url, tmp_path / str(number), "t", "log")
        ended = len(called) < number
        assert (t, log) == ((0, 1) if truncates and log else (3000, log)), f"before call {number}, {called[-1]}"
        outcomes.add(log)
    assert number > 20 and outcomes == {0, 1}


@pytest.mark.parametrize("statement", ["VACUUM FULL t", "CLUSTER t USING t_a", "TRUNCATE t"])
def test_rewrites_go_on_all_the_time(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """They move every row; a TRUNCATE is followed by new rows in the same transaction."""
    run(database_url, f"{RACED}; CREATE INDEX t_a ON t (a); DELETE FROM t WHERE a % 3 = 0; UPDATE t SET a = a")
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", "60")
    stop = threading.Event()
    done: list[int] = []

    def rewrite() -> None:
        refill = "INSERT INTO t SELECT n FROM generate_series(1, 3000) n WHERE n % 3 > 0"
        script = f"BEGIN; {statement}; {refill}; COMMIT" if statement == "TRUNCATE t" else statement
        while not stop.is_set():
            run(database_url, script)
            done.append(1)
            time.sleep(0.1)

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        for number in range(3):
            assert rows_of(database_url, tmp_path / str(number), "t") == [2000]
    finally:
        stop.set()
        thread.join()
    assert done


def test_partitions_come_and_go(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is attached and detached with all its rows, which `log` counts in the same transaction."""
    run(
        database_url,
        "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);"
        "CREATE TABLE t2 (a int); INSERT INTO t SELECT 1 FROM generate_series(1, 500);"
        "INSERT INTO t2 SELECT 2 FROM generate_series(1, 500); CREATE TABLE log (a int)",
    )
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", "60")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            run(
                database_url,
                "BEGIN; ALTER TABLE t ATTACH PARTITION t2 FOR VALUES IN (2); INSERT INTO log VALUES (1); COMMIT",
            )
            time.sleep(0.05)
            run(database_url, "BEGIN; ALTER TABLE t DETACH PARTITION t2; DELETE FROM log; COMMIT")
            time.sleep(0.05)

    thread = threading.Thread(target=swap)
    thread.start()
    counted = []
    try:
        for number in range(5):
            try:
                counted.append(rows_of(database_url, tmp_path / str(number), "t", "log"))
            except Exception as error:
                assert re.search(r"public\.t2 was attached to it while it was read", str(error)), error
    finally:
        stop.set()
        thread.join()
    assert all(found in ([500, 0], [1000, 1]) for found in counted), counted
