"""One call of DynamoDB's API with a body that is ready as bytes: signed, sent, its answer checked.

boto3 would parse, retype and serialise every item again; the records' texts are on the wire as they are. Signing,
credentials (renewed when they expire), endpoint, proxies and TLS are botocore's.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, NoCredentialsError, SSLError
from botocore.exceptions import ConnectionError as CannotConnect
from botocore.exceptions import HTTPClientError as NoAnswer
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from pipelines.aws import aws_session
from pipelines.target.client import CONNECT_TIMEOUT_SECONDS, Address
from pipelines.target.failures import THROTTLED, no_answer

_VERSION = "DynamoDB_20120810"
_PASSING = THROTTLED | {
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionInProgressException",
    "TransactionConflictException",  # the application's, on this item
}


@dataclass(frozen=True)
class Answer:
    """DynamoDB has done it. `document` is the body as JSON."""

    document: dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """DynamoDB has said no, or nothing that can be understood. `passing`: the same request may succeed later.

    After a lost or broken answer DynamoDB may have acted all the same. `unheard`: what botocore said where there
    was no answer at all. `item`: what a conditional write was refused for, where it was asked for (ALL_OLD).
    """

    code: str
    message: str
    passing: bool
    unheard: BotoCoreError | None = None
    item: Mapping[str, Mapping[str, Any]] | None = None


class Wire:
    """Shared by the threads of one process; a context manager that closes its connections."""

    def __init__(self, address: Address, connections: int, read_timeout_seconds: float = 30.0) -> None:
        """Raises UsageError or TargetError where the profile or the credentials are missing."""
        self.endpoint = address.url
        self._region = address.region
        session = aws_session()
        try:
            credentials = session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
        except BotoCoreError as error:
            raise no_answer(error, "", self.endpoint) from None
        self._credentials = credentials
        self._http = URLLib3Session(
            verify=session.get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(self.endpoint),
            timeout=(CONNECT_TIMEOUT_SECONDS, read_timeout_seconds),  # type: ignore[arg-type]
            max_pool_connections=connections,
        )

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(self, action: str, body: bytes) -> Answer | Refusal:
        """Once, without retrying.

        Raises TargetError where trying again cannot help: no credentials, or a certificate that is not accepted.
        """
        request = AWSRequest(
            method="POST",
            url=self.endpoint,
            data=body,
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"{_VERSION}.{action}",
            },
        )
        try:
            # a frozen copy for each request: the session renews them when they run out
            SigV4Auth(self._credentials.get_frozen_credentials(), "dynamodb", self._region).add_auth(request)
            response = self._http.send(request.prepare())
            return understand(response.status_code, response.headers, response.content)
        except SSLError as error:
            raise no_answer(error, action, self.endpoint) from None
        except (CannotConnect, NoAnswer) as error:
            return Refusal(type(error).__name__, "", passing=True, unheard=error)
        except BotoCoreError as error:
            raise no_answer(error, action, self.endpoint) from None


def _is_cut_off(headers: Any, content: bytes) -> bool:
    """The connection ended before the answer did, which botocore does not tell."""
    length = headers.get("content-length", "")
    return length.isdecimal() and "content-encoding" not in headers and len(content) < int(length)


def understand(status: int, headers: Any, content: bytes) -> Answer | Refusal:
    """What an HTTP answer says. `headers` is looked up without regard to case."""
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and int(checksum) != zlib.crc32(content):
        return Refusal("DamagedAnswer", "its checksum does not fit", passing=True)
    if _is_cut_off(headers, content):
        return Refusal("DamagedAnswer", "it is cut off", passing=True)
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return Refusal(f"HTTP{status}", "the answer is no JSON object", passing=status == 200 or status >= 429)
    if status == 200:
        return Answer(document)
    code = str(document.get("__type", f"HTTP{status}")).rpartition("#")[2]
    message = str(document.get("message") or document.get("Message") or "")
    passing = code in _PASSING or status == 429 or status >= 500
    return Refusal(code, message, passing, item=document.get("Item"))
