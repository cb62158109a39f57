"""ExportTableToPointInTime's request, answers and refusals, by botocore's stub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from pipelines.dump.exporting.given import given_exports
from pipelines.errors import TargetError
from pipelines.target.client import dynamodb_client
from pipelines.target.export_table import describe_export, start_export
from pipelines.target.failures import PassingError
from pipelines.warehouse.s3_place import S3Place

pytestmark = pytest.mark.unit

TABLE_ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/shop"
ARN = f"{TABLE_ARN}/export/01693685827463-2d8752fd"
TARGET = S3Place("a-bucket", "a/b")


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Stubber]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    client = dynamodb_client()
    with Stubber(client) as stubber:
        yield client, stubber


@pytest.mark.parametrize(
    ("key", "encryption"),
    [
        ("", {"S3SseAlgorithm": "AES256"}),
        ("arn:key", {"S3SseAlgorithm": "KMS", "S3SseKmsKeyId": "arn:key"}),
    ],
)
def test_what_is_asked_for(
    stubbed: tuple[Any, Stubber], monkeypatch: pytest.MonkeyPatch, key: str, encryption: dict[str, str]
) -> None:
    if key:
        monkeypatch.setenv("CROSSOVER_S3_KMS_KEY", key)
    client, stubber = stubbed
    answer = {"ExportDescription": {"ExportArn": ARN, "ExportStatus": "IN_PROGRESS"}}
    wanted = {
        "TableArn": TABLE_ARN,
        "ClientToken": "t",
        "S3Bucket": "a-bucket",
        "S3Prefix": "a/b",
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": "FULL_EXPORT",
    }
    stubber.add_response("export_table_to_point_in_time", answer, wanted | encryption)
    state = start_export(client, "shop", TABLE_ARN, TARGET, "t")
    assert (state.id, state.place) == ("01693685827463-2d8752fd", None)


@pytest.mark.parametrize(
    ("code", "status", "kind", "message"),
    [
        ("PointInTimeRecoveryUnavailableException", 400, TargetError, "^table shop: its point-in-time recovery is off"),
        ("ExportConflictException", 400, TargetError, "^table shop: .* run again under another --s3 prefix$"),
        ("LimitExceededException", 400, PassingError, "throttled"),
        ("InternalServerError", 500, PassingError, "InternalServerError"),
        ("AccessDeniedException", 400, TargetError, "may not call dynamodb:ExportTableToPointInTime"),
    ],
)
def test_refusals(stubbed: tuple[Any, Stubber], code: str, status: int, kind: type[TargetError], message: str) -> None:
    client, stubber = stubbed
    stubber.add_client_error("export_table_to_point_in_time", code, "that quotes a value", http_status_code=status)
    with pytest.raises(TargetError, match=message) as refused:
        start_export(client, "shop", TABLE_ARN, TARGET, "t")
    assert type(refused.value) is kind
    assert "quotes" not in str(refused.value)


@pytest.mark.parametrize("prefix", [{}, {"S3Prefix": "a/b/"}])
def test_where_a_complete_one_lies(stubbed: tuple[Any, Stubber], prefix: dict[str, str]) -> None:
    client, stubber = stubbed
    for status in ("IN_PROGRESS", "COMPLETED"):
        answer = {"ExportArn": ARN, "ExportStatus": status, "S3Bucket": "a-bucket", **prefix}
        stubber.add_response("describe_export", {"ExportDescription": answer})
    stubber.add_client_error("describe_export", "ExportNotFoundException")
    below = "a/b/" if prefix else ""
    found = [describe_export(client, ARN) for _ in range(3)]
    places = [None if state is None else state.place for state in found]
    assert places == [None, S3Place("a-bucket", f"{below}AWSDynamoDB/01693685827463-2d8752fd"), None]
    assert found[2] is None


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"ExportStatus": "FAILED", "FailureCode": "S3NoSuchBucket", "FailureMessage": "no\nbucket"},
            r"S3NoSuchBucket: no b",
        ),
        (
            {"ExportStatus": "COMPLETED", "S3Bucket": "a-bucket", "FilterSpecification": {"FilterExpression": "a"}},
            "filter",
        ),
    ],
)
def test_given_ones_that_are_of_no_use(stubbed: tuple[Any, Stubber], state: dict[str, Any], message: str) -> None:
    client, stubber = stubbed
    stubber.add_response("describe_export", {"ExportDescription": {"ExportArn": ARN, **state}})
    with pytest.raises(TargetError, match=rf"^{ARN}: .*{message}"):
        given_exports(client, [ARN], ["shop"])
