"""Settings and failures of the way to DynamoDB, each one clear line."""

from __future__ import annotations

import socket

import pytest

from pipelines.errors import TargetError, UsageError
from pipelines.target.client import dynamodb_client
from pipelines.target.failures import target_errors

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def no_configuration_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


def test_the_region_may_be_either_variable(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")
    assert dynamodb_client().meta.region_name == "eu-west-3"
    monkeypatch.delenv("AWS_REGION")
    assert dynamodb_client().meta.region_name == "us-east-2"


def test_a_missing_region_is_named(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(UsageError, match="AWS_REGION is not set"):
        dynamodb_client()


def test_an_unknown_profile_is_named(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(UsageError, match="AWS_PROFILE"):
        dynamodb_client()


def test_a_url_that_is_none_is_named(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "localhost:8000")
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL_DYNAMODB is no URL"):
        dynamodb_client()


def test_an_endpoint_that_is_away_is_named(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
    client = dynamodb_client()
    with (
        pytest.raises(TargetError, match=rf"^{url}: cannot be reached; check") as caught,
        target_errors(client, "ListTables"),
    ):
        client.list_tables()
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_table_that_is_missing_is_named(dynamodb_environment: str) -> None:
    client = dynamodb_client()
    with (
        pytest.raises(TargetError, match=r"^table shop on http.*: no such table; run `crossover tables`$"),
        target_errors(client, "Scan", "shop"),
    ):
        client.scan(TableName="shop")


def test_missing_credentials_are_told(dynamodb_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    client = dynamodb_client()
    with pytest.raises(TargetError, match="no usable AWS credentials"), target_errors(client, "ListTables"):
        client.list_tables()
