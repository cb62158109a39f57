"""Signatures are botocore's own, whatever is signed."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.target.signer import CONTENT_TYPE, Scope, Signer

pytestmark = pytest.mark.unit

TARGET = "DynamoDB_20120810.BatchWriteItem"
KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None)
WITH_TOKEN = ReadOnlyCredentials("ASIAEXAMPLE", "another/secret", "IQoJb3JpZ2luX2VjE//+=", None)
NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC).timestamp()


def by_botocore(
    url: str, region: str, target: str, body: bytes, credentials: ReadOnlyCredentials, now: float
) -> dict[str, str]:
    headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": target}
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    at = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
    with mock.patch("botocore.auth.get_current_datetime", return_value=at):
        SigV4Auth(credentials, "dynamodb", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def by_us(signer: Signer, target: str, body: bytes, credentials: ReadOnlyCredentials, now: float) -> dict[str, str]:
    lines = signer.headers(target, body, credentials, now)
    return dict(line.split(": ", 1) for line in lines)


def assert_equal(url: str, region: str, body: bytes, credentials: ReadOnlyCredentials, now: float) -> None:
    signer = Signer(Scope.of(url, region))
    expected = by_botocore(url, region, TARGET, body, credentials, now)
    ours = {name.lower(): value for name, value in by_us(signer, TARGET, body, credentials, now).items()}
    assert {name: ours[name] for name in expected} == expected
    assert ours.keys() - expected.keys() == {"host"}  # botocore leaves that one to its HTTP library


@pytest.mark.parametrize(
    "url",
    [
        "https://dynamodb.eu-central-1.amazonaws.com",
        "https://dynamodb.eu-central-1.amazonaws.com/",
        "https://dynamodb.eu-central-1.amazonaws.com:443",
        "https://dynamodb.eu-central-1.amazonaws.com:8443",
        "http://127.0.0.1:5000",
        "http://localhost:80",
        "http://[::1]:8000",
        "https://Vpce-1.DynamoDB.eu-central-1.vpce.amazonaws.com/",
        "http://gateway.example:8080/stage one/dynamo~db/",
    ],
)
@pytest.mark.parametrize("credentials", [KEYS, WITH_TOKEN], ids=["keys", "token"])
def test_each_kind_of_address(url: str, credentials: ReadOnlyCredentials) -> None:
    assert_equal(url, "eu-central-1", b'{"RequestItems":{}}', credentials, NOON)


@settings(max_examples=100, deadline=None)
@given(
    body=st.binary(max_size=300),
    region=st.sampled_from(["us-east-1", "cn-north-1", "eu-isoe-west-1"]),
    secret=st.text(min_size=1, max_size=40),
    token=st.none() | st.text("ABCxyz019+/=", min_size=1),
    now=st.integers(0, 4_102_444_800),
)
def test_any_body_at_any_time(body: bytes, region: str, secret: str, token: str | None, now: int) -> None:
    credentials = ReadOnlyCredentials("AKID", secret, token, None)
    assert_equal("http://127.0.0.1:5000", region, body, credentials, float(now))


def test_what_is_kept_is_not_kept_for_too_long() -> None:
    """The same signer over midnight, over new credentials, and for one target after another."""
    url, region = "https://dynamodb.eu-central-1.amazonaws.com", "eu-central-1"
    signer = Signer(Scope.of(url, region))
    midnight = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
    times = [midnight - 1, midnight - 0.5, midnight, midnight + 1, midnight - 1]
    for now in times:
        for credentials in (KEYS, WITH_TOKEN, KEYS):
            for target in (TARGET, "DynamoDB_20120810.PutItem"):
                ours = by_us(signer, target, b"{}", credentials, now)["Authorization"]
                assert ours == by_botocore(url, region, target, b"{}", credentials, now)["authorization"]


def test_a_token_that_is_gone_is_not_sent() -> None:
    signer = Signer(Scope.of("http://127.0.0.1:1", "eu-central-1"))
    assert "x-amz-security-token" in by_us(signer, TARGET, b"", WITH_TOKEN, NOON)
    assert "x-amz-security-token" not in by_us(signer, TARGET, b"", KEYS, NOON)
