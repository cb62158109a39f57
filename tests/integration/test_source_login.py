"""Passwords from AWS: read, or made, for each connection, and never shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from psycopg.conninfo import conninfo_to_dict

from pipelines.errors import CrossoverError, SourceError, UsageError
from pipelines.source import aws_login, login
from pipelines.source.arrow_session import ArrowSessions
from pipelines.source.connect import connect
from pipelines.source.login import open_session
from pipelines.target.embedded import EmbeddedDynamoDB
from tests.tls_postgres import TlsServer, tls_postgres

pytestmark = pytest.mark.integration


@pytest.fixture
def secrets(
    dynamodb_environment: str, dynamodb_server: EmbeddedDynamoDB, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A client of moto's Secrets Manager, which ours find too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", dynamodb_server.url)
    client = Session().create_client("secretsmanager")
    yield client
    client.close()


def parts(url: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(url).items()}


def keep(client: Any, name: str, **document: object) -> str:
    arn: str = client.create_secret(Name=name, SecretString=json.dumps(document))["ARN"]
    return arn


def whole(url: str) -> dict[str, object]:
    """What RDS's own secrets hold, the port a number."""
    own = parts(url)
    return {
        "engine": "postgres",
        "username": own["user"],
        "password": own["password"],
        "host": own["host"],
        "port": int(own["port"]),
        "dbname": own["dbname"],
    }


def works(url: str) -> bool:
    with closing(connect(url)) as one, closing(open_session(url, ArrowSessions)) as other:
        with other.all[0].rows("SELECT 1") as batches:
            found = [batch.column(0).to_pylist() for batch in batches]
        return one.execute("SELECT 1").fetchone() == (1,) and found == [[1]]


def refused(url: str, *secret_words: str) -> str:
    with pytest.raises(CrossoverError) as error:
        connect(url)
    text = str(error.value)
    assert "\n" not in text
    assert error.value.__cause__ is None
    for word in secret_words:
        assert word not in text
    return text


def test_a_secret_that_has_everything(secrets: Any, database_url: str) -> None:
    arn = keep(secrets, "prod/shop", **whole(database_url))
    assert works("secretsmanager:prod/shop")
    assert works(f"secretsmanager:{arn}")


def test_a_secret_that_rds_manages_has_user_and_password_only(secrets: Any, database_url: str) -> None:
    own = parts(database_url)
    arn = keep(secrets, "rds!db-1", username=own["user"], password=own["password"])
    assert works(f"postgresql://{own['host']}:{own['port']}/{own['dbname']}?secret={quote('rds!db-1', safe='')}")
    assert works(f"postgresql://{own['host']}:{own['port']}/{own['dbname']}?secret={arn}")
    assert "its JSON has no host" in refused("secretsmanager:rds!db-1", own["password"])


def test_what_the_url_says_is_stronger_than_the_secret(secrets: Any, database_url: str) -> None:
    own = parts(database_url)
    keep(secrets, "prod/shop", **{**whole(database_url), "dbname": "nothing", "port": 1})
    assert works(f"postgresql://{own['host']}:{own['port']}/{own['dbname']}?secret=prod/shop")


def test_a_rotated_password_is_read_again(
    secrets: Any, database_url: str, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database has the new password already when the secret has not."""
    with closing(psycopg.connect(postgres_server, autocommit=True)) as connection:
        connection.execute("CREATE ROLE rotated LOGIN PASSWORD 'new-hunter2'")
    pauses: list[float] = []

    def rotate(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            fresh = {**whole(database_url), "username": "rotated", "password": "new-hunter2"}
            secrets.put_secret_value(SecretId="prod/shop", SecretString=json.dumps(fresh))

    monkeypatch.setattr("pipelines.source.login.sleep", rotate)
    keep(secrets, "prod/shop", **{**whole(database_url), "username": "rotated", "password": "old-hunter2"})
    try:
        with closing(connect("secretsmanager:prod/shop")) as connected:
            assert connected.info.user == "rotated"
        assert pauses == [0.0, 1.0]
        secrets.put_secret_value(
            SecretId="prod/shop", SecretString=json.dumps(whole(database_url) | {"password": "no"})
        )
        assert "password authentication failed" in refused("secretsmanager:prod/shop", "hunter2")
        assert len(pauses) == 2 + len(login.ROTATION_PAUSES)
    finally:
        with closing(psycopg.connect(postgres_server, autocommit=True)) as connection:
            connection.execute("DROP ROLE rotated")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hunter2", "its text is no JSON object"),
        ('["hunter2"]', "its text is no JSON object"),
        ('{"username": "hunter2"}', "its JSON has no password"),
        ('{"username": "u", "password": {"a": "hunter2"}}', "its JSON has no password"),
        ('{"engine": "mysql", "username": "u", "password": "hunter2"}', "it is not for PostgreSQL"),
        ('{"password": "hunter2", "host": "h", "dbname": "d"}', "its JSON has no username"),
        ('{"password": "hunter2", "host": "h", "username": "u"}', "its JSON has no dbname"),
    ],
)
def test_a_secret_that_is_no_login(secrets: Any, text: str, words: str) -> None:
    secrets.create_secret(Name="s", SecretString=text)
    found = refused("secretsmanager:s", "hunter2")
    assert found.startswith("secret s: ") and words in found


def test_a_secret_of_bytes_is_no_login(secrets: Any) -> None:
    secrets.create_secret(Name="s", SecretBinary=b"hunter2")
    assert "its text is no JSON object" in refused("secretsmanager:s", "hunter2")


def test_a_secret_that_does_not_exist_or_is_deleted(secrets: Any) -> None:
    assert refused("secretsmanager:none") == "secret none: there is no such secret in eu-central-1"
    assert "no such secret in eu-west-1" in refused("secretsmanager:none?region=eu-west-1")
    keep(secrets, "gone", password="hunter2")
    secrets.delete_secret(SecretId="gone")
    assert "marked for deletion" in refused("secretsmanager:gone", "hunter2")


def test_the_region_is_that_of_the_arn(secrets: Any) -> None:
    arn = "arn:aws:secretsmanager:us-east-2:123456789012:secret:s-AbCdEf"
    assert "there is no such secret in us-east-2" in refused(f"secretsmanager:{arn}")


def test_no_permission_no_region_no_credentials_no_service(
    secrets: Any, dynamodb_server: EmbeddedDynamoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(secrets, "s", password="hunter2")

    def denied(client: object, operation: str, arguments: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "arn of somebody"}}, operation)

    with monkeypatch.context() as patch:
        patch.setattr("botocore.client.BaseClient._make_api_call", denied)
        assert "allow secretsmanager:GetSecretValue" in refused("secretsmanager:s")
    with monkeypatch.context() as patch:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        assert "no region is known; add region=" in refused("secretsmanager:s")
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, os.devnull)
        assert "no AWS credentials" in refused("secretsmanager:s")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
        patch.setattr(aws_login, "_CLIENT", Config(retries={"total_max_attempts": 1}))
        assert "AWS cannot be reached in eu-central-1" in refused("secretsmanager:s")


def token_of(url: str) -> str:
    return str(dict(login.login(url).parameters)["password"])


RDS = "shop.abc.eu-west-1.rds.amazonaws.com"


def test_an_iam_token_is_for_this_host_port_and_user(
    dynamodb_environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    roots = tmp_path / "roots.pem"
    roots.write_text("certificates")
    url = f"postgresql://app@{RDS}:6432/shop?auth=iam&sslrootcert={roots}"
    token = urlsplit(f"https://{token_of(url)}")
    query = parse_qs(token.query)
    assert (token.hostname, token.port) == (RDS, 6432)
    assert (query["Action"], query["DBUser"]) == (["connect"], ["app"])
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-Credential"][0].split("/")[0::2] == ["AKIDEXAMPLE", "eu-west-1", "aws4_request"]
    elsewhere = parse_qs(token_of(f"{url}&region=us-east-2"))
    assert elsewhere["X-Amz-Credential"][0].split("/")[2] == "us-east-2"
    other = f"postgresql://app@db.example/shop?auth=iam&sslrootcert={roots}"
    assert parse_qs(token_of(other))["X-Amz-Credential"][0].split("/")[2] == "eu-central-1"
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(UsageError, match=r"IAM token for db\.example: no region is known"):
        token_of(other)


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """Lets the user `app` in with any password, and `closed` with none: it cannot ask AWS."""
    with tls_postgres(tmp_path_factory.mktemp("iam")) as running:
        with closing(psycopg.connect(running.url, autocommit=True)) as connection:
            connection.execute("CREATE ROLE app LOGIN; CREATE ROLE closed LOGIN PASSWORD 'other'")
            rules = running.cluster / "pg_hba.conf"
            rules.write_text(f"hostssl all app 127.0.0.1/32 trust\n{rules.read_text()}")
            connection.execute("SELECT pg_reload_conf()")
        yield running


def test_each_connection_has_a_token_of_its_own(
    tls_server: TlsServer, dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = aws_login.iam_token

    def counted(host: str, port: int, user: str, region: str | None) -> str:
        made.append(make(host, port, user, region))
        return made[-1]

    monkeypatch.setattr(aws_login, "iam_token", counted)
    own = parts(tls_server.url)
    query = f"auth=iam&sslrootcert={tls_server.authority.file}"
    assert works(f"postgresql://app@localhost:{own['port']}/postgres?{query}")
    assert len(made) == 2
    found = refused(f"postgresql://closed@localhost:{own['port']}/postgres?{query}", *made)
    assert "GRANT rds_iam" in found and "X-Amz" not in found
    with pytest.raises(SourceError, match="none of the authorities"):
        connect(f"postgresql://app@localhost:{own['port']}/postgres?auth=iam&sslrootcert={tls_server.stranger.file}")
