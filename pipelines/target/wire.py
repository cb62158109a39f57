"""One call of DynamoDB's API with a body that is ready as bytes: signed, sent, its answer checked.

boto3 would parse, retype and serialise every item again; the records' texts are on the wire as they are. Credentials
(renewed when they expire), endpoint, proxies and certificates are botocore's.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
"""

from __future__ import annotations

import json
import time
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, NoCredentialsError, SSLError

from pipelines.aws import aws_session
from pipelines.target.client import Address
from pipelines.target.exchange import CUT_OFF, CurlError, Exchange
from pipelines.target.failures import THROTTLED, no_answer
from pipelines.target.route import Route
from pipelines.target.signer import Scope, Signer

_VERSION = "DynamoDB_20120810"
_PASSING = THROTTLED | {
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionInProgressException",
    "TransactionConflictException",  # the application's, on this item
}
_WRONG_TIME = frozenset({"RequestTimeTooSkewed", "InvalidSignatureException"})
_SKEW_SECONDS = 60.0  # DynamoDB allows five minutes
_EMPTY: dict[bytes, dict[str, Any]] = {b"{}": {}, b'{"UnprocessedItems":{}}': {"UnprocessedItems": {}}}


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

    def __init__(
        self,
        address: Address,
        connections: int,
        read_timeout_seconds: float = 30.0,
        credentials: Credentials | None = None,
    ) -> None:
        """`connections`: so many are kept. `read_timeout_seconds`: from sending to the answer's last byte.
        `credentials`: a client's; without them those of AWS's settings.

        Raises UsageError or TargetError where the profile or the credentials are missing.
        """
        self.endpoint = address.url
        session = aws_session()
        try:
            credentials = credentials or session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
        except BotoCoreError as error:
            raise no_answer(error, "", self.endpoint) from None
        self._credentials = credentials
        self._route = Route.to(self.endpoint, session, read_timeout_seconds)
        self._signer = Signer(Scope.of(self.endpoint, address.region))
        self._ahead_seconds = 0.0  # DynamoDB's clock, of ours
        self._connections = connections
        self._idle: deque[Exchange] = deque()

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            self._idle.pop().close()

    def call(self, action: str, body: bytes) -> Answer | Refusal:
        """Once; again only where it was refused for this machine's clock.

        Raises TargetError where trying again cannot help: no credentials, or a certificate that is not accepted.
        """
        exchange = self.borrow()
        while True:
            self.prepare(exchange, action, body)
            answer = self.conclude(exchange, action, exchange.perform())
            if answer is not None:
                return answer

    def borrow(self) -> Exchange:
        """For one request; `conclude` takes it back."""
        try:
            return self._idle.pop()
        except IndexError:
            return Exchange(self._route)

    def prepare(self, exchange: Exchange, action: str, body: bytes) -> None:
        """Signs it. Raises TargetError where there are no credentials any more."""
        try:
            credentials = self._credentials.get_frozen_credentials()  # the session renews them when they run out
        except BotoCoreError as error:
            raise no_answer(error, action, self.endpoint) from None
        now = time.time() + self._ahead_seconds
        exchange.prepare(self._signer.headers(f"{_VERSION}.{action}", body, credentials, now), body)

    def conclude(self, exchange: Exchange, action: str, error: CurlError | None) -> Answer | Refusal | None:
        """None where the same has to be prepared and performed once more. Raises TargetError as `call` does."""
        if error is not None and error.code != CUT_OFF:
            exchange.close()
            why = exchange.failure(error)
            if isinstance(why, SSLError):
                raise no_answer(why, action, self.endpoint) from None
            return Refusal(type(why).__name__, "", passing=True, unheard=why)
        headers = exchange.headers()
        answer = understand(exchange.status, headers, exchange.content)
        if isinstance(answer, Refusal) and answer.code in _WRONG_TIME and self._sets_clock(headers.get("date")):
            return None
        if error is not None or len(self._idle) >= self._connections:
            exchange.close()
        else:
            self._idle.append(exchange)
        return answer

    def _sets_clock(self, date: str | None) -> bool:
        """Whether DynamoDB's time is another than was believed. A signature that is wrong otherwise is not."""
        try:
            ahead = parsedate_to_datetime(date or "").timestamp() - time.time()
        except ValueError:
            return False
        was, self._ahead_seconds = self._ahead_seconds, ahead
        return abs(ahead - was) > _SKEW_SECONDS


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
    if status == 200 and content in _EMPTY:
        return Answer(dict(_EMPTY[content]))
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
