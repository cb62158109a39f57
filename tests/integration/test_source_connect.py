from __future__ import annotations

import os
import re
import socket
import traceback
from contextlib import closing
from urllib.parse import quote

import psycopg
import pytest
from psycopg import IsolationLevel

from pipelines.errors import SourceError, UsageError
from pipelines.mapping.model import Mapping
from pipelines.source.connect import SESSION, connect, source_url
from tests.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.integration


def mapping(url_env: str) -> Mapping:
    return Mapping.model_validate(
        {
            "migration": "m",
            "source": {"url_env": url_env},
            "target": {"tables": {"tab": {"partition_key": {"name": "pk", "type": "S"}}}},
            "items": {"i": {"table": "tab", "from": "t", "key": {"pk": "{id}"}}},
        }
    )


def with_password(url: str, user: str = "crossover") -> str:
    return re.sub("//crossover:[^@]*@", f"//{user}:hunter2@", url)


def test_the_url_comes_from_the_variable_the_mapping_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_URL", "postgresql://h/db")
    assert source_url(mapping("OTHER_URL")) == "postgresql://h/db"
    monkeypatch.setenv("OTHER_URL", "mysql://u:hunter2@h/db")
    with pytest.raises(UsageError, match="OTHER_URL: MySQL is not supported yet") as refused:
        source_url(mapping("OTHER_URL"))
    assert "hunter2" not in str(refused.value)
    monkeypatch.delenv("OTHER_URL")
    with pytest.raises(UsageError, match="OTHER_URL is not set"):
        source_url(mapping("OTHER_URL"))


def test_the_session_is_pinned_whatever_the_database_says(database_url: str) -> None:
    name = database_url.rpartition("/")[2]
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        for setting in ("TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", "extra_float_digits = -5"):
            connection.execute(f"ALTER DATABASE {name} SET {setting}".encode())
        connection.execute(f"ALTER DATABASE {name} SET IntervalStyle = 'iso_8601'".encode())
    with closing(connect(database_url)) as connection:
        shown = {
            key: (connection.execute("SELECT pg_catalog.current_setting(%s)", (key,)).fetchone() or [None])[0]
            for key, _ in SESSION
        }
        assert shown == dict(SESSION)
        assert connection.info.parameter_status("application_name") == "crossover"


def test_it_reads_one_snapshot_and_cannot_write(database_url: str) -> None:
    with closing(connect(database_url)) as connection:
        assert connection.isolation_level is IsolationLevel.REPEATABLE_READ
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE public.t (a int)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:hunter2@127.0.0.1:{free}/db", "Connection refused"),
        ("postgresql://u:hunter2@nowhere.invalid/db", "nowhere.invalid"),
        ("postgresql://crossover:{password}@127.0.0.1:{port}/nothing", 'database "nothing" does not exist'),
        ("postgresql://nobody:hunter2@127.0.0.1:{port}/postgres", 'password authentication failed for user "nobody"'),
    ],
)
def test_why_there_is_no_connection_in_one_line_without_the_password(
    postgres_server: str, url: str, words: str
) -> None:
    server = psycopg.conninfo.conninfo_to_dict(postgres_server)
    with pytest.raises(SourceError, match=words) as refused:
        connect(url.format(free=free_port(), port=server["port"], password=server["password"]))
    assert "\n" not in str(refused.value)
    assert refused.value.__context__ is None and refused.value.__cause__ is None
    for password in ("hunter2", str(server["password"])):
        assert password not in "".join(traceback.format_exception(refused.value))


def test_the_kernel_watches_whether_the_host_is_alive(database_url: str) -> None:
    with closing(connect(database_url)) as connection, socket.socket(fileno=os.dup(connection.fileno())) as watched:
        assert watched.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        assert [watched.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [30, 10, 3, 60000]


def shown(url: str, name: str) -> object:
    with closing(connect(url)) as connection:
        return (connection.execute("SELECT pg_catalog.current_setting(%s)", (name,)).fetchone() or [None])[0]


def test_options_in_the_url_do_not_unpin_the_session(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"TimeZone": "Asia/Tokyo", "search_path": "public", "row_security": "on", "lock_timeout": "77s"}
    given = " ".join(f"-c {name}={value}" for name, value in {**settings, "work_mem": "7MB"}.items())
    url = f"{database_url}?options={quote(given)}"
    monkeypatch.setenv("PGOPTIONS", "-c DateStyle=German")
    for name, value in (*SESSION, ("lock_timeout", "10s"), ("work_mem", "7MB")):
        assert shown(url, name) == value


def test_the_time_limits_are_those_of_the_environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        connection.execute(f"ALTER DATABASE {database_url.rpartition('/')[2]} SET statement_timeout = '33s'".encode())
    assert (shown(database_url, "lock_timeout"), shown(database_url, "statement_timeout")) == ("10s", "33s")
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", "2.5")
    monkeypatch.setenv("CROSSOVER_STATEMENT_TIMEOUT", "0")
    assert (shown(database_url, "lock_timeout"), shown(database_url, "statement_timeout")) == ("2500ms", "0")
    monkeypatch.setenv("CROSSOVER_LOCK_TIMEOUT", "soon")
    with pytest.raises(UsageError, match="CROSSOVER_LOCK_TIMEOUT=soon"):
        connect(database_url)


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql://u:hunter2@127.0.0.1:{silent.getsockname()[1]}/db?connect_timeout=2"
        with pytest.raises(SourceError, match="timeout"):
            connect(url)


def test_a_pooler_is_recognised(database_url: str) -> None:
    """It makes up the number of the process that it tells its clients."""
    own = psycopg.conninfo.conninfo_to_dict(database_url)
    with tcp_proxy(int(own["port"] or 0), lambda data: re.sub(rb"(?<=K\0\0\0\x0c)....", b"\0\0\0\7", data)) as port:
        through = database_url.replace(f":{own['port']}/", f":{port}/")
        with pytest.raises(SourceError, match="a pooler"):
            connect(through)
    with (
        tcp_proxy(int(own["port"] or 0)) as port,
        closing(connect(database_url.replace(f":{own['port']}/", f":{port}/"))),
    ):
        pass
