"""What goes wrong in the middle of a snapshot: a clear line, nothing half-written, and the next one is whole."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg.conninfo import conninfo_to_dict

from pipelines.errors import CrossoverError
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.source import embedded
from pipelines.source.connect import connect
from pipelines.source.embedded import EmbeddedPostgres
from tests.on_disk import on_disk
from tests.scripted_source import migration_of, run
from tests.tcp_proxy import CutError, ToClient, tcp_proxy

pytestmark = pytest.mark.integration

MAPPING = """
migration: shop
target:
  tables: {shop: {partition_key: {name: pk, type: S}}}
items:
  big:
    table: shop
    from: big
    key: {pk: "BIG#{id}"}
    embed: {smalls: {from: small, on: {id: id}, as: list, order_by: [name]}}
"""

ROWS = 50_000
SOURCE = f"""
CREATE TABLE big AS SELECT n AS id, md5(n || 'a') || md5(n || 'b') || md5(n || 'c') || md5(n || 'd') || md5(n || 'e')
AS filler FROM generate_series(1, {ROWS}) n;
ALTER TABLE big ADD PRIMARY KEY (id);
CREATE TABLE small (id int PRIMARY KEY, name text);
INSERT INTO small VALUES (1, 'one'), (2, 'two');
"""
MIDDLE = 1 << 20
"""Bytes: about a tenth of what a snapshot reads."""


@pytest.fixture(autouse=True)
def several_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_READERS", "3")


@pytest.fixture
def migration(tmp_path: Path, warehouse: Path) -> Migration:
    return migration_of(MAPPING, tmp_path, warehouse)


def in_the_middle(action: Callable[[], object]) -> ToClient:
    """`action` happens once, when MIDDLE bytes have come; what comes after waits for it, or is cut off by it."""
    lock = threading.Lock()
    passed = 0
    done = False

    def to_client(data: bytes) -> bytes:
        nonlocal passed, done
        with lock:
            passed += len(data)
            if passed > MIDDLE and not done:
                done = True
                action()
        return data

    return to_client


def cut_off() -> ToClient:
    """From the middle on nothing comes through, on any connection."""
    lock = threading.Lock()
    passed = 0

    def to_client(data: bytes) -> bytes:
        nonlocal passed
        with lock:
            passed += len(data)
            if passed > MIDDLE:
                raise CutError
        return data

    return to_client


def through(url: str, port: int) -> str:
    return re.sub(r"(@127\.0\.0\.1):\d+/", rf"\1:{port}/", url)


def left_by(migration: Migration) -> list[Path]:
    return list((on_disk(migration.folder.root) / "snapshots").iterdir())


def fails(migration: Migration, url: str) -> str:
    """The one line of a snapshot that fails; it leaves nothing."""
    with pytest.raises(CrossoverError) as error:
        take_snapshot(migration, url)
    text = str(error.value)
    assert "\n" not in text and str(conninfo_to_dict(url)["password"]) not in text
    assert left_by(migration) == []
    return text


def fails_meanwhile(migration: Migration, url: str, to_client: ToClient) -> str:
    with tcp_proxy(int(conninfo_to_dict(url)["port"] or 0), to_client) as port:
        return fails(migration, through(url, port))


def succeeds(migration: Migration, url: str) -> None:
    manifest = take_snapshot(migration, url)
    folder = on_disk(migration.folder.snapshot(manifest.id))
    assert {name: counts.rows for name, counts in manifest.tables.items()} == {"public.big": ROWS, "public.small": 2}
    ids = [id for file in manifest.tables["public.big"].files for id in pq.read_table(folder / file)["id"].to_pylist()]
    assert sorted(ids) == list(range(1, ROWS + 1))
    assert left_by(migration) == [folder]


def leaves_no_session(url: str) -> bool:
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'crossover'"
    )
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for _ in range(100):
            if connection.execute(count).fetchone() == (0,):
                return True
            time.sleep(0.1)
    return False


def test_the_connection_is_cut(migration: Migration, database_url: str) -> None:
    run(database_url, SOURCE)
    text = fails_meanwhile(migration, database_url, cut_off())
    assert re.search("public.(big|small): the connection was lost", text)  # both are being read
    assert leaves_no_session(database_url)
    succeeds(migration, database_url)


READER = "query LIKE 'COPY%' AND state = 'active'"
HOLDER = "query LIKE '%pg_relation_size%'"
COORDINATOR = "query LIKE 'RELEASE%'"  # of the savepoint in which it looks for a ledger, last of all


def kill(url: str, which: str) -> Callable[[], None]:
    """Ends one session of the snapshot."""
    statement = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        f" WHERE datname = current_database() AND application_name = 'crossover' AND {which} LIMIT 1"
    )

    def action() -> None:
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            ended = connection.execute(statement.encode()).fetchall()
        assert ended == [(True,)], f"no session {which}"

    return action


def test_a_reader_is_killed(migration: Migration, database_url: str) -> None:
    run(database_url, SOURCE)
    text = fails_meanwhile(migration, database_url, in_the_middle(kill(database_url, READER)))
    assert "public.big: the connection was lost" in text
    succeeds(migration, database_url)


def test_the_session_that_holds_the_locks_is_killed(migration: Migration, database_url: str) -> None:
    run(database_url, SOURCE)
    text = fails_meanwhile(migration, database_url, in_the_middle(kill(database_url, HOLDER)))
    assert "the connection was lost" in text
    succeeds(migration, database_url)


def test_the_session_that_made_the_snapshot_is_not_needed_any_more(migration: Migration, database_url: str) -> None:
    run(database_url, SOURCE)
    port = int(conninfo_to_dict(database_url)["port"] or 0)
    with tcp_proxy(port, in_the_middle(kill(database_url, COORDINATOR))) as proxied:
        succeeds(migration, through(database_url, proxied))


@pytest.fixture(scope="module")
def private_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One that may be stopped and damaged."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("private"), durable=False) as server:
        server.stop()
        server._wanted_port = embedded._free_port()
        server.start()
        yield server


@pytest.fixture
def private_url(private_server: EmbeddedPostgres) -> Iterator[str]:
    run(private_server.url, "DROP TABLE IF EXISTS big, small CASCADE")
    yield private_server.url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_the_server_is_restarted(
    migration: Migration, private_server: EmbeddedPostgres, private_url: str, number: signal.Signals
) -> None:
    """SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, a crash for all who are connected."""
    run(private_url, f"{SOURCE} CHECKPOINT")

    def restart() -> None:
        pid = int((private_server.data / "cluster" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, number)
        private_server.stop()
        private_server.start()

    text = fails_meanwhile(migration, private_url, in_the_middle(restart))
    assert "the connection was lost" in text
    succeeds(migration, private_url)


def test_a_page_is_damaged(migration: Migration, private_server: EmbeddedPostgres, private_url: str) -> None:
    run(private_url, f"{SOURCE} CHECKPOINT")
    with closing(psycopg.connect(private_url)) as connection:
        found = connection.execute("SELECT pg_relation_filepath('big')").fetchone()
    assert found is not None
    file = private_server.data / "cluster" / str(found[0])
    private_server.stop()
    content = file.read_bytes()
    with file.open("r+b") as opened:
        opened.seek(100 * 8192 + 4000)
        opened.write(b"\xff" * 64)
    private_server.start()
    text = fails(migration, private_url)
    assert "public.big" in text and "damaged" in text
    private_server.stop()
    file.write_bytes(content)
    private_server.start()
    succeeds(migration, private_url)


def take_by_command(tmp_path: Path, url: str, **limits: int) -> subprocess.CompletedProcess[str]:
    """`crossover snapshot` in a process that can write no file of more than `file_bytes`."""

    def limit() -> None:
        if "file_bytes" in limits:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file_bytes"], limits["file_bytes"]))

    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "snapshot", str(tmp_path / "shop.yaml")],
        env={**os.environ, "CROSSOVER_SOURCE_URL": url, "CROSSOVER_WAREHOUSE": str(tmp_path / "warehouse")},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_file_cannot_grow(migration: Migration, database_url: str, tmp_path: Path) -> None:
    run(database_url, SOURCE)
    done = take_by_command(tmp_path, database_url, file_bytes=200_000)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be written" in done.stderr and done.stderr.count("\n") == 1
    assert left_by(migration) == []
    succeeds(migration, database_url)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, which only root can make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_disk_is_full(migration: Migration, database_url: str, tmp_path: Path, small_disk: Path) -> None:
    run(database_url, SOURCE)
    full = Migration.open(tmp_path / "shop.yaml", small_disk)
    assert "No space left on device" in fails(full, database_url)
    run(database_url, "DELETE FROM big WHERE id > 100")
    assert take_snapshot(full, database_url).tables["public.big"].rows == 100


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    """URL of a role that may read the two tables and nothing more."""
    run(
        database_url,
        f"{SOURCE} CREATE ROLE reader LOGIN PASSWORD 'hunter2'; GRANT SELECT ON big, small TO reader;"
        " REVOKE ALL ON SCHEMA public FROM public; GRANT USAGE ON SCHEMA public TO reader;"
        f" REVOKE ALL ON DATABASE {database_url.rpartition('/')[2]} FROM public;"
        f" GRANT CONNECT ON DATABASE {database_url.rpartition('/')[2]} TO reader",
    )
    yield re.sub("//crossover:[^@]*@", "//reader:hunter2@", database_url)
    run(database_url, "DROP OWNED BY reader; DROP ROLE reader")


def test_usage_and_select_are_enough(migration: Migration, role: str) -> None:
    succeeds(migration, role)


@pytest.mark.parametrize(
    "revoked", ["SELECT ON small", "SELECT ON small FROM reader; GRANT SELECT (id) ON small", "USAGE ON SCHEMA public"]
)
def test_a_right_is_missing(migration: Migration, database_url: str, role: str, revoked: str) -> None:
    end = "TO" if "GRANT" in revoked else "FROM"
    run(database_url, f"REVOKE {revoked} {end} reader")
    text = fails(migration, role)
    assert "public." in text and "GRANT" in text
    run(database_url, "GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON small TO reader")
    succeeds(migration, role)


POLICY = "ALTER TABLE small ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON small USING (id = 1);"


@pytest.mark.parametrize(
    "script",
    [
        POLICY,
        f"{POLICY} GRANT CREATE ON SCHEMA public TO reader; ALTER TABLE small OWNER TO reader;"
        " ALTER TABLE small FORCE ROW LEVEL SECURITY",
        f"ALTER TABLE small RENAME TO kept; {POLICY.replace('small', 'kept')}"
        " CREATE VIEW small WITH (security_invoker) AS SELECT * FROM kept; GRANT SELECT ON small TO reader",
        f"ALTER TABLE small RENAME TO kept; {POLICY.replace('small', 'kept')} CREATE VIEW small AS SELECT * FROM kept;"
        " GRANT CREATE ON SCHEMA public TO reader; ALTER VIEW small OWNER TO reader",
    ],
    ids=["a policy", "forced on its owner", "under a view of the invoker", "under a view of the reader"],
)
def test_rows_that_a_policy_hides_are_an_error(migration: Migration, database_url: str, role: str, script: str) -> None:
    run(database_url, script)
    text = fails(migration, role)
    assert "public.small" in text and "BYPASSRLS" in text
    run(database_url, "ALTER ROLE reader BYPASSRLS")
    try:
        reads_small(migration, role)
    finally:
        run(database_url, "ALTER ROLE reader NOBYPASSRLS")


def reads_small(migration: Migration, url: str) -> None:
    assert take_snapshot(migration, url).tables["public.small"].rows == 2


def slow_small(url: str) -> None:
    """`small` becomes a view of two rows that takes two seconds."""
    run(
        url,
        "ALTER TABLE small RENAME TO kept; CREATE VIEW small AS SELECT k.* FROM kept k WHERE pg_sleep(1) IS NOT NULL;"
        "GRANT SELECT ON small TO reader",
    )


def test_idle_sessions_are_not_ended(migration: Migration, database_url: str, role: str) -> None:
    slow_small(database_url)
    run(database_url, "ALTER ROLE reader SET idle_in_transaction_session_timeout = '300ms'")
    reads_small(migration, role)


def test_a_transaction_timeout_is_told(migration: Migration, database_url: str, role: str) -> None:
    slow_small(database_url)
    run(database_url, "ALTER ROLE reader SET transaction_timeout = '700ms'")
    text = fails(migration, role)
    assert "public.small" in text and ("transaction_timeout" in text or "the connection was lost" in text)
    reads_small(migration, f"{role}?options=-c%20transaction_timeout%3D0")


def test_a_statement_timeout_of_the_role_is_told_and_can_be_lifted(
    migration: Migration, database_url: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_small(database_url)
    run(database_url, "ALTER ROLE reader SET statement_timeout = '700ms'")
    text = fails(migration, role)
    assert "public.small" in text and "CROSSOVER_STATEMENT_TIMEOUT" in text
    monkeypatch.setenv("CROSSOVER_STATEMENT_TIMEOUT", "0")
    reads_small(migration, role)
    monkeypatch.setenv("CROSSOVER_STATEMENT_TIMEOUT", "0.5")
    with pytest.raises(CrossoverError, match=r"public\.small.*CROSSOVER_STATEMENT_TIMEOUT"):
        take_snapshot(migration, role)


def test_a_lock_that_is_not_given_up_names_table_and_setting(
    migration: Migration, database_url: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", "0.4")
    with closing(psycopg.connect(database_url)) as other:
        other.execute("LOCK TABLE small IN ACCESS EXCLUSIVE MODE")
        text = fails(migration, role)
    assert "public.small: a lock could not be had" in text and "CROSSOVER_LOCK_TIMEOUT" in text
    succeeds(migration, role)


def test_who_waits_for_our_locks_and_has_the_ones_we_want_is_let_go_first(
    migration: Migration, database_url: str, role: str
) -> None:
    """Two tables truncated in the other order than we lock them: the server would end one of the two transactions."""
    with closing(psycopg.connect(database_url)) as other:
        other.execute("LOCK TABLE small IN ACCESS EXCLUSIVE MODE")
        finished: list[str] = []

        def go_on() -> None:
            time.sleep(0.3)
            other.execute("LOCK TABLE big IN ACCESS EXCLUSIVE MODE")
            finished.append("not the victim of a deadlock")
            other.rollback()

        thread = threading.Thread(target=go_on)
        thread.start()
        succeeds(migration, role)
        thread.join()
    assert finished


def test_settings_that_forbid_writing_do_not_matter(migration: Migration, database_url: str, role: str) -> None:
    run(database_url, "ALTER ROLE reader SET default_transaction_read_only = on")
    run(database_url, "ALTER ROLE reader SET default_transaction_isolation = 'serializable'")
    run(database_url, "ALTER ROLE reader SET default_transaction_deferrable = on")
    succeeds(migration, role)


def test_no_sessions_are_left_to_open(migration: Migration, database_url: str, role: str) -> None:
    run(database_url, "ALTER ROLE reader CONNECTION LIMIT 2")
    text = fails(migration, role)
    assert "too many connections" in text
    run(database_url, "ALTER ROLE reader CONNECTION LIMIT -1")
    succeeds(migration, role)


def test_a_standby_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = embedded._is_ready

    def ready_as_standby(file: Path, pid: int) -> bool:
        return ready(file, pid) or (file.exists() and file.read_text().splitlines()[7:8] == ["standby "])

    monkeypatch.setattr(embedded, "_is_ready", ready_as_standby)
    with EmbeddedPostgres(tmp_path / "server", durable=False) as server:
        server.stop()
        (server.data / "cluster" / "standby.signal").touch()
        server.start()
        with pytest.raises(CrossoverError, match=r"this is a standby.*primary") as refused:
            connect(server.url)
    assert "\n" not in str(refused.value)
