"""Where DynamoDB Streams are asked for, and what their refusals mean."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from pipelines.errors import TargetError
from pipelines.reverse.stream_client import ENDPOINT, stream_errors, streams_client
from pipelines.target.client import dynamodb_client
from pipelines.target.failures import PassingError

pytestmark = pytest.mark.unit

TABLES, ALL = "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"
OWN = "https://streams.dynamodb.eu-central-1.amazonaws.com"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (TABLES, ALL, ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, OWN),
        ({TABLES: "http://127.0.0.1:9"}, "http://127.0.0.1:9"),
        ({TABLES: "http://127.0.0.1:9", ENDPOINT: "http://127.0.0.1:8"}, "http://127.0.0.1:8"),
        ({ALL: "http://127.0.0.1:7"}, "http://127.0.0.1:7"),
        ({TABLES: "https://vpce-1.dynamodb.eu-central-1.vpce.amazonaws.com"}, OWN),
    ],
)
def test_the_endpoint(environment: Mapping[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert streams_client(dynamodb_client(), 1).meta.endpoint_url == expected


def test_what_a_refusal_means() -> None:
    client = streams_client(dynamodb_client(), 1)

    def refused(code: str) -> ClientError:
        return ClientError({"Error": {"Code": code}}, "GetRecords")

    with pytest.raises(TargetError, match="is not there any more"):
        _raise(refused("ResourceNotFoundException"), client)
    with pytest.raises(PassingError, match="throttled"):
        _raise(refused("LimitExceededException"), client)
    with pytest.raises(TargetError, match="may not call dynamodb:GetRecords"):
        _raise(refused("AccessDeniedException"), client)
    with pytest.raises(PassingError, match=f"check {ENDPOINT}, AWS_REGION"):
        _raise(EndpointConnectionError(endpoint_url="x"), client)


def _raise(error: Exception, client: object) -> None:
    with stream_errors(client, "GetRecords", "shop"):  # type: ignore[arg-type]
        raise error
