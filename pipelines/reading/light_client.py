"""A client that reads with a fraction of boto3's Python, for reads beside others in one process.

Where threads share an interpreter, one that works keeps the others waiting. A boto3 request works for a millisecond or
two, this one for a third of one: for shadow reads (docs/routing.md), and wherever reads are many.
"""

from __future__ import annotations

import base64
import json
import os
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from pipelines.target.client import Address, dynamodb_client
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Refusal, Wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONNECTIONS = 16
TIMEOUT_SECONDS = 5.0
RETRIES = RetryPolicy(attempts=3, longest_delay_seconds=1.0)


def light_client(client: DynamoDBClient | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> DynamoDBClient:
    """For `Items`, or on its own: `get_item` and `query` with the arguments and answers of boto3's client, and no other
    call.

    `client`: whose endpoint, region and credentials are used; without it AWS's settings. `timeout_seconds`: of each of
    up to three attempts. For any number of threads, and in processes that were forked. Raises UsageError, TargetError.
    """
    return cast("DynamoDBClient", LightClient(client or dynamodb_client(), timeout_seconds))


class LightClient:
    """Raises what boto3's client raises: ClientError, and botocore's errors where there is no answer."""

    def __init__(self, client: DynamoDBClient, timeout_seconds: float) -> None:
        self.meta, self.exceptions = client.meta, client.exceptions
        self._address, self._timeout_seconds = Address.of(client), timeout_seconds
        self._credentials = client._get_credentials()  # type: ignore[attr-defined]
        self._wire, self._process = self._opened(), os.getpid()

    def get_item(self, **request: Any) -> dict[str, Any]:
        answer = self._called("GetItem", request)
        if "Item" in answer:
            answer["Item"] = _as_boto3(answer["Item"])
        return answer

    def query(self, **request: Any) -> dict[str, Any]:
        answer = self._called("Query", request)
        answer["Items"] = [_as_boto3(item) for item in answer.get("Items", ())]
        if "LastEvaluatedKey" in answer:
            answer["LastEvaluatedKey"] = _as_boto3(answer["LastEvaluatedKey"])
        return answer

    def _called(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps(request, default=_base64).encode()
        failures = 0
        while True:
            answer = self._of_this_process().call(action, body)
            if not isinstance(answer, Refusal):
                return answer.document
            failures += 1
            if not answer.passing or failures >= RETRIES.attempts:
                raise _error(action, answer)
            time.sleep(RETRIES.delay_seconds(failures, random.Random()))  # noqa: S311 - no secret

    def _of_this_process(self) -> Wire:
        """A connection that was inherited is the parent's."""
        if self._process != os.getpid():
            self._wire, self._process = self._opened(), os.getpid()
        return self._wire

    def _opened(self) -> Wire:
        return Wire(self._address, CONNECTIONS, self._timeout_seconds, self._credentials)


def _error(action: str, refusal: Refusal) -> Exception:
    if refusal.unheard is not None:
        return refusal.unheard
    return ClientError({"Error": {"Code": refusal.code, "Message": refusal.message}}, action)


def _base64(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"no attribute value: {type(value).__name__}")


def _as_boto3(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: _value(value) for name, value in item.items()}


def _value(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """On the wire bytes are base64."""
    ((kind, content),) = value.items()
    match kind:
        case "B":
            return {"B": base64.b64decode(content)}
        case "BS":
            return {"BS": [base64.b64decode(one) for one in content]}
        case "L":
            return {"L": [_value(one) for one in content]}
        case "M":
            return {"M": _as_boto3(content)}
    return value
