from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from pipelines.errors import CrossoverError, UsageError
from pipelines.source.connect import check_url, identity
from pipelines.source.login import login
from pipelines.source.server_error import describe

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:pw@db.example:6432/shop", "db.example:6432/shop"),
        ("postgres://u@db.example/shop", "db.example:5432/shop"),
        ("postgresql://u:pw@[::1]:5432/shop", "[::1]:5432/shop"),
        ("postgresql://u:p%40ss@db/shop?sslmode=require&password=other", "db:5432/shop"),
        ("postgresql:///shop?host=/tmp", "/tmp:5432/shop"),
        ("postgresql://u:pw@db", "db:5432/u"),
    ],
)
def test_identity_is_host_port_and_database(url: str, expected: str) -> None:
    assert identity(url) == expected


@pytest.mark.parametrize(
    "url",
    ["mysql://u:hunter2@h/db", "mysql+pymysql://u:hunter2@h/db", "hunter2", "postgresql://u:hunter2%zz@h/db"],
)
def test_a_refused_url_is_not_shown(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_url(url, "CROSSOVER_SOURCE_URL")
    assert "hunter2" not in str(refused.value)
    assert refused.value.__context__ is None
    assert "CROSSOVER_SOURCE_URL" in str(refused.value) and "\n" not in str(refused.value)


def test_mysql_is_not_supported_yet() -> None:
    with pytest.raises(UsageError, match="MySQL is not supported yet"):
        check_url("mysql://u:pw@h/db")


def test_what_the_url_sets_is_kept_and_the_encoding_is_ours() -> None:
    made = conninfo_to_dict(login("postgresql://u:p%40%20s@h/db?connect_timeout=3&client_encoding=LATIN1").conninfo)
    assert made["connect_timeout"] in (3, "3")
    assert made["password"] == "p@ s"
    assert made["client_encoding"] == "UTF8"
    assert made["application_name"] == "crossover"


@pytest.mark.parametrize(
    ("sqlstate", "word"),
    [
        (None, "lost"),
        ("08006", "lost"),
        ("42501", "permission denied"),
        ("55P03", "lock"),
        ("57014", "statement_timeout"),
        ("53100", "disk"),
        ("22012", "DivisionByZero"),
        ("ZZ999", "ZZ999"),
    ],
)
def test_every_state_is_described(sqlstate: str | None, word: str) -> None:
    assert word in describe(sqlstate)


def test_errors_are_crossover_errors() -> None:
    with pytest.raises(CrossoverError):
        identity("nonsense")
