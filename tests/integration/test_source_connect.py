from __future__ import annotations

import re
import socket
import traceback
from contextlib import closing

import psycopg
import pytest
from psycopg import IsolationLevel

from pipelines.errors import SourceError, UsageError
from pipelines.mapping.model import Mapping
from pipelines.source.connect import SESSION, connect, source_url

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


def test_a_database_without_an_encoding_is_refused(postgres_server: str) -> None:
    name = "without_encoding"
    with closing(psycopg.connect(postgres_server, autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0".encode())
        try:
            with pytest.raises(SourceError, match="SQL_ASCII"):
                connect(postgres_server.rpartition("/")[0] + f"/{name}")
        finally:
            connection.execute(f"DROP DATABASE {name}".encode())
