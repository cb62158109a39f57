"""What an HTTP answer of DynamoDB says."""

from __future__ import annotations

import zlib

import pytest
from botocore.compat import HTTPHeaders

from pipelines.target.wire import Answer, Refusal, understand

pytestmark = pytest.mark.unit


def answered(status: int, content: bytes, checksum: int | None = None) -> Answer | Refusal:
    headers = HTTPHeaders()
    headers["X-Amz-Crc32"] = str(zlib.crc32(content) if checksum is None else checksum)
    return understand(status, headers, content)


def test_an_answer() -> None:
    assert answered(200, b'{"UnprocessedItems":{}}') == Answer({"UnprocessedItems": {}})
    assert understand(200, {}, b"{}") == Answer({})  # an endpoint that sends no checksum


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [
        (400, "ProvisionedThroughputExceededException", True),
        (400, "ThrottlingException", True),
        (400, "RequestLimitExceeded", True),
        (500, "InternalServerError", True),
        (503, "ServiceUnavailable", True),
        (429, "WhateverException", True),
        (400, "ValidationException", False),
        (400, "ResourceNotFoundException", False),
        (400, "AccessDeniedException", False),
    ],
)
def test_a_refusal_is_passing_or_final(status: int, code: str, passing: bool) -> None:
    content = f'{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"m"}}'.encode()
    assert answered(status, content) == Refusal(code, "m", passing)


@pytest.mark.parametrize(
    ("status", "content", "passing"),
    [(200, b'{"Unproc', True), (200, b"[]", True), (503, b"<html>", True), (400, b"<html>", False), (404, b"", False)],
)
def test_what_is_no_json_object(status: int, content: bytes, passing: bool) -> None:
    answer = answered(status, content)
    assert isinstance(answer, Refusal)
    assert answer.passing is passing
    assert answer.code == f"HTTP{status}"


def test_a_refusal_that_is_cut_off_is_not_final() -> None:
    headers = HTTPHeaders()
    headers["Content-Length"] = "90"
    assert understand(400, headers, b'{"__ty') == Refusal("DamagedAnswer", "it is cut off", True)


def test_an_answer_whose_checksum_does_not_fit_is_not_believed() -> None:
    assert answered(200, b"{}", checksum=1) == Refusal("DamagedAnswer", "its checksum does not fit", True)
