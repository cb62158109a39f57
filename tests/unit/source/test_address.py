from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from pipelines.errors import UsageError
from pipelines.source.address import source_address
from pipelines.source.connect import identity
from pipelines.source.login import login
from pipelines.source.session_limits import session_limits
from pipelines.source.tls import with_tls

pytestmark = pytest.mark.unit

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/shop-AbCdEf"
RDS = "shop.abc.eu-west-1.rds.amazonaws.com"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"postgresql://u@{RDS}:5432/shop?auth=iam", f"{RDS}:5432/shop"),
        ("postgresql://db:6432/shop?secret=prod/shop&sslmode=require", "db:6432/shop"),
        ("postgresql://db/shop?sslmode=require&secret=prod%2Fshop&region=eu-west-1", "db:5432/shop"),
        (f"secretsmanager:{ARN}", f"secretsmanager:{ARN}"),
        ("secretsmanager:prod/shop?region=eu-west-1", "secretsmanager:prod/shop"),
    ],
)
def test_a_reference_is_named_by_what_it_refers_to(url: str, expected: str) -> None:
    assert identity(url) == expected
    assert "hunter2" not in repr(source_address(url))


def test_our_own_words_are_taken_out_and_all_others_are_libpqs() -> None:
    address = source_address(
        "postgresql://db:6432/shop?options=-c%20a%3Db&secret=prod%2Fshop&region=eu-west-1&sslmode=x"
    )
    assert dict(address.parameters) == {
        "host": "db",
        "port": "6432",
        "dbname": "shop",
        "options": "-c a=b",
        "sslmode": "x",
    }
    assert (address.secret, address.region, address.iam) == ("prod/shop", "eu-west-1", False)


def test_a_password_with_a_question_mark_is_left_alone() -> None:
    assert source_address("postgresql://u:p?secret=w@h/db").get("password") == "p?secret=w"
    assert "hunter2" not in repr(source_address("postgresql://u:hunter2@h/db"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u@h/db?auth=ldap", "auth=ldap is not known"),
        ("postgresql://u@h/db?auth=iam&secret=s", "both auth=iam and a secret"),
        ("postgresql://u:hunter2@h/db?auth=iam", "has a password beside auth=iam"),
        ("postgresql://u:hunter2@h/db?secret=s", "has a password beside a secret"),
        ("postgresql://h/db?auth=iam", "needs the user and the host"),
        ("postgresql://u@h/db?auth=iam&sslmode=require", "needs sslmode=verify-full, not require"),
        ("postgresql://u:hunter2@h/db?region=eu-west-1", "has a region"),
        ("postgresql://h/db?secret=", "names no secret"),
        ("secretsmanager:", "names no secret"),
        ("secretsmanager:s?nonsense=1", "is not a PostgreSQL URL"),
        ("postgresql://u:hunter2@h/db?sslmod=require", "is `sslmode=` meant"),
        ("postgresql://u:hunter2@h/db?options=-c%20a=1", "and of parameters percent-encoded"),
        ("postgresql://u:hunter2@h/db?nonsense=1", "is not a PostgreSQL URL"),
        ("postgresql://u:hunter2@[h/db?secret=s", "is not a PostgreSQL URL"),
    ],
)
def test_what_is_wrong_with_a_url_in_one_line_that_does_not_show_it(url: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        source_address(url, "SHOP_URL")
    text = str(refused.value)
    assert words in text and text.startswith("SHOP_URL") and "\n" not in text and "hunter2" not in text
    assert refused.value.__context__ is None


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    file = tmp_path / "roots.pem"
    file.write_text("certificates")
    return file


def test_a_host_of_rds_is_verified_unless_the_url_says_otherwise(roots: Path) -> None:
    settled = with_tls({"host": RDS, "sslrootcert": str(roots)}, iam=False, environment={})
    assert settled == {"host": RDS, "sslmode": "verify-full", "sslrootcert": str(roots)}
    assert with_tls({"host": RDS, "sslmode": "require"}, iam=False, environment={}) == {
        "host": RDS,
        "sslmode": "require",
    }
    assert "sslmode" not in with_tls({"host": RDS}, iam=False, environment={"PGSSLMODE": "require"})
    assert with_tls({"host": "db.example"}, iam=False, environment={}) == {"host": "db.example"}
    assert with_tls({"host": f"{RDS}.example"}, iam=False, environment={}) == {"host": f"{RDS}.example"}
    china = "shop.abc.cn-north-1.rds.amazonaws.com.cn"
    with pytest.raises(UsageError, match=r"sslrootcert=FILE.*global-bundle\.pem"):
        with_tls({"host": china}, iam=False, environment={"HOME": "/nonexistent"})


def test_iam_is_always_verified(roots: Path) -> None:
    given = {"host": "db.example", "sslrootcert": str(roots)}
    assert with_tls(given, iam=True, environment={"PGSSLMODE": "disable"})["sslmode"] == "verify-full"


def test_where_the_authorities_are_found(roots: Path, tmp_path: Path) -> None:
    full = {"host": "db.example", "sslmode": "verify-full"}
    assert with_tls(full, iam=False, environment={"PGSSLROOTCERT": str(roots)})["sslrootcert"] == str(roots)
    (tmp_path / ".postgresql").mkdir()
    own = tmp_path / ".postgresql" / "root.crt"
    own.write_text("certificates")
    assert with_tls(full, iam=False, environment={"HOME": str(tmp_path)})["sslrootcert"] == str(own)
    system = with_tls({"sslrootcert": "system"}, iam=False, environment={"SSL_CERT_FILE": str(roots)})
    assert system == {"sslmode": "verify-full", "sslrootcert": str(roots)}
    with pytest.raises(UsageError, match="needs sslmode=verify-full, not verify-ca"):
        with_tls({"sslrootcert": "system", "sslmode": "verify-ca"}, iam=False, environment={})
    with pytest.raises(UsageError, match="no such file"):
        with_tls({**full, "sslrootcert": str(tmp_path / "none.pem")}, iam=False, environment={})


def test_a_dead_host_is_noticed_and_the_url_may_set_how_soon() -> None:
    made = conninfo_to_dict(login("postgresql://u:pw@h/db").conninfo)
    assert made["connect_timeout"] == "10"
    assert (made["keepalives_idle"], made["keepalives_interval"], made["keepalives_count"]) == ("30", "10", "3")
    assert made["tcp_user_timeout"] == "60000"
    assert conninfo_to_dict(login("postgresql://u:pw@h/db?keepalives_idle=5").conninfo)["keepalives_idle"] == "5"


def test_time_limits_are_plain_seconds() -> None:
    assert session_limits({}).settings() == (("lock_timeout", "10000"),)
    given = session_limits({"CROSSOVER_LOCK_TIMEOUT": "0.0011", "CROSSOVER_STATEMENT_TIMEOUT": "90"})
    assert given.settings() == (("lock_timeout", "2"), ("statement_timeout", "90000"))
    assert session_limits({"CROSSOVER_STATEMENT_TIMEOUT": "0"}).settings()[1] == ("statement_timeout", "0")


@pytest.mark.parametrize("text", ["10s", "-1", "nan", "inf", "9999999999", "1,5", "0.00001", "1e-400"])
@pytest.mark.parametrize("name", ["CROSSOVER_LOCK_TIMEOUT", "CROSSOVER_STATEMENT_TIMEOUT"])
def test_a_time_limit_that_is_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"{name}={text}: give a number of seconds"):
        session_limits({name: text})
