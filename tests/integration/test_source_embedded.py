"""The embedded server: keeps its data, serves as root below private folders, and never outlives its process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from pipelines.errors import SourceError
from pipelines.source.embedded import EmbeddedPostgres

pytestmark = pytest.mark.integration

SERVE = """
import sys, time
from pathlib import Path
from pipelines.source.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start()
print(server.url, flush=True)
time.sleep(600)
"""


def select(url: str, statement: str) -> object:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return row and row[0]


def execute(url: str, statement: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(statement.encode())


def processes_on(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if os.fsencode(folder) in line and entry.name != str(os.getpid()):
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(300):
        if condition():
            return True
        time.sleep(0.1)
    return False


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def child_with_server(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen([sys.executable, "-c", SERVE, str(data)], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def test_it_is_utf8_in_c_order_on_the_loopback_alone(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data", durable=False) as server:
        assert select(server.url, "SHOW server_encoding") == "UTF8"
        assert select(server.url, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'") == "C"
        assert select(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert select(server.url, "SHOW unix_socket_directories") == ""
        assert select(server.url, "SHOW fsync") == "off"
        assert select(server.url, "SELECT current_user") == "crossover"
        assert re.fullmatch(r"postgresql://crossover:[\w-]{32}@127\.0\.0\.1:\d+/postgres", server.url)


def test_it_is_durable_unless_told_otherwise(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data") as server:
        assert select(server.url, "SHOW fsync") == "on"


def test_started_again_it_has_the_same_data(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    with server:
        execute(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with pytest.raises(SourceError, match="not running"):
        _ = server.url
    with server:
        assert select(server.url, "SELECT answer FROM kept") == 42
    assert processes_on(tmp_path) == []


def test_it_lets_in_who_has_the_password_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with EmbeddedPostgres(data, durable=False) as server:
        assert (data / "password").stat().st_mode & 0o777 == 0o600
        password = (data / "password").read_text(encoding="ascii").strip()
        assert f":{password}@" in server.url
        assert password not in repr(vars(server))
        assert_closed(server.url, password)
    assert password.encode() not in (data / "server.log").read_bytes()


def assert_closed(url: str, password: str) -> None:
    for without in (url.replace(f":{password}", ""), url.replace(password, "wrong")):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(without)
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry|password"):
        psycopg.connect(url.replace(f":{password}", "") + "?replication=database")


def test_a_folder_of_before_there_was_a_password_gets_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = EmbeddedPostgres(data, durable=False)
    with server:
        execute(server.url, "CREATE TABLE kept AS SELECT 42 AS answer; ALTER ROLE crossover PASSWORD NULL")
    (data / "password").unlink()
    rules = "local all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"
    (data / "cluster" / "pg_hba.conf").write_text(rules, encoding="utf-8")
    urls = []
    for _ in range(2):
        with server:
            assert select(server.url, "SELECT answer FROM kept") == 42
            assert_closed(server.url, (data / "password").read_text(encoding="ascii").strip())
            urls.append(server.url.partition("@")[0])
    assert urls[0] == urls[1]


def test_a_lost_password_is_made_anew(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    with server:
        execute(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    (tmp_path / "data" / "password").unlink()
    with server:
        assert select(server.url, "SELECT answer FROM kept") == 42


def test_the_server_does_not_have_our_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-pass-on")
    with EmbeddedPostgres(tmp_path / "data", durable=False) as server:
        process = select(server.url, "SELECT pg_read_file('postmaster.pid')")
        environment = Path(f"/proc/{str(process).split()[0]}/environ").read_bytes()
    assert b"do-not-pass-on" not in environment


def test_killed_with_its_process_it_leaves_nothing_and_starts_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with child_with_server(data) as (child, url):
        execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        port = psycopg.conninfo.conninfo_to_dict(url)["port"]
        assert processes_on(data)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert eventually(lambda: processes_on(data) == [])
        assert port_is_free(int(port or 0))
    with EmbeddedPostgres(data, durable=False) as server:
        assert select(server.url, "SELECT answer FROM kept") == 42


def test_killed_and_started_at_once_it_waits_for_the_dying_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with child_with_server(data) as (child, url):
        execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        child.send_signal(signal.SIGKILL)
        with EmbeddedPostgres(data, durable=False) as server:
            assert select(server.url, "SELECT answer FROM kept") == 42


def test_a_pid_file_of_a_dead_server_with_the_number_of_a_living_process(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    with server:
        pid_file = next((tmp_path / "data").rglob("postmaster.pid"))
        content = pid_file.read_text(encoding="utf-8").splitlines()
    user = "nobody" if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "600"], user=user) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *content[1:]]), encoding="utf-8")
        try:
            with server:
                assert select(server.url, "SELECT 1") == 1
        finally:
            stranger.kill()


def test_an_interrupted_initdb_is_done_over(tmp_path: Path) -> None:
    half = tmp_path / "data" / "cluster.unfinished"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18", encoding="utf-8")
    with EmbeddedPostgres(tmp_path / "data", durable=False) as server:
        assert select(server.url, "SELECT 1") == 1


def test_a_thread_that_ends_does_not_take_the_server_with_it(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    with closing(psycopg.connect(server.url, autocommit=True)) as connection:
        connection.execute("SELECT pg_sleep(0.5)")
    server.stop()


def test_two_start_at_once(tmp_path: Path) -> None:
    servers = [EmbeddedPostgres(tmp_path / name, durable=False) for name in ("a", "b")]
    threads = [threading.Thread(target=server.start) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert [select(server.url, "SELECT 1") for server in servers] == [1, 1]
        assert servers[0].url != servers[1].url
    finally:
        for server in servers:
            server.stop()


def test_a_busy_port_is_an_error_in_one_line(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as busy,
        pytest.raises(SourceError, match="did not start") as refused,
    ):
        EmbeddedPostgres(tmp_path / "data", busy.getsockname()[1], durable=False).start()
    assert "\n" not in str(refused.value)
    assert processes_on(tmp_path) == []


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="no PostgreSQL can be kept here"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may enter such a folder of root's")
def test_as_root_below_a_private_folder_whose_permissions_stay() -> None:
    with tempfile.TemporaryDirectory(dir="/root") as private:
        with EmbeddedPostgres(Path(private) / "data", durable=False) as server:
            execute(server.url, "CREATE TABLE t AS SELECT 1 AS a")
            assert select(server.url, "SELECT a FROM t") == 1
        assert Path(private).stat().st_mode & 0o777 == 0o700
        assert (Path(private) / "data").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs the namespace")
def test_as_root_without_capabilities_it_enters_a_namespace(tmp_path: Path) -> None:
    bounded = ["setpriv", "--bounding-set", "-setuid,-setgid,-dac_override,-chown,-sys_admin"]
    program = SERVE.replace("time.sleep(600)", "server.stop()")
    done = subprocess.run(
        [*bounded, sys.executable, "-c", program, str(tmp_path / "data")], capture_output=True, text=True, check=False
    )
    if "by root here" in done.stderr:
        pytest.skip("this machine allows no user namespaces")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("postgresql://crossover:")
    assert (tmp_path / "data" / "cluster").stat().st_uid == 0
