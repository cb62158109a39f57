"""A DynamoDB endpoint that fails on purpose: an HTTP proxy on 127.0.0.1 in front of a good one.

No stand-in throttles, leaves items unprocessed or loses answers by itself. Only the actions that it is told of are
disturbed. Those go through one after the other, so that the proxy knows in which order items were written.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests import http_front
from tests.faults import STATEMENT_CODES, Fault, Plan
from tests.partiql_statement import inserted

WRITES = ("BatchWriteItem", "PutItem", "BatchExecuteStatement")

Answer = tuple[int, bytes]
"""Status and content."""


@dataclass
class FaultProxy:
    """`acknowledged`: the items that the client was told at once were written. `landed`: all that were, whatever
    became of the answer. Both in the order of writing, an item as often as it was written."""

    upstream: str
    plan: Plan = lambda number, body: None
    slow_seconds: float = 1.0
    actions: tuple[str, ...] = WRITES
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    landed: list[dict[str, Any]] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    url: str = ""
    order: threading.Lock = field(default_factory=threading.Lock)  # of writing and noting
    late: list[threading.Thread] = field(default_factory=list)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def serving(self) -> Iterator[FaultProxy]:
        with http_front.serving(partial(_Handler, self)) as self.url:
            yield self
            self.settle()

    def settle(self) -> None:
        """Waits until nothing that was delayed is still to come."""
        for late in self.late:
            late.join()

    def decide(self, body: dict[str, Any]) -> tuple[int, Fault | str | None]:
        """The request's number, and its fate."""
        with self._counting:
            number, self.requests = self.requests, self.requests + 1
            fate = self.plan(number, body)
            if fate is not None:
                self.met[fate.name if isinstance(fate, Fault) else fate] += 1
            return number, fate


class _Handler(http_front.FrontHandler):
    def __init__(self, proxy: FaultProxy, *arguments: Any) -> None:
        self.proxy = proxy
        super().__init__(*arguments)

    def respond(self, body: bytes) -> None:
        if self.action not in self.proxy.actions:
            self.answer(*self._forward(body))
            return
        document = json.loads(body)
        number, fate = self.proxy.decide(document)
        match fate:
            case None:
                self._through(document)
            case Fault.SOME_UNPROCESSED:
                self._some_unprocessed(document)
            case Fault.ALL_UNPROCESSED:
                self.answer(200, _encoded({"UnprocessedItems": document["RequestItems"]}))
            case Fault.SOME_STATEMENTS:
                self._some_statements(document, random.Random(number))
            case Fault.ALL_STATEMENTS:
                dice = random.Random(number)
                self._answer_each(_statement_error(dice) for _ in document["Statements"])
            case Fault.UNSURE_STATEMENTS:
                self._act(document)
                self._answer_each(_statement_error() for _ in document["Statements"])
            case Fault.THROTTLED:
                self._refuse(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
            case Fault.ERROR_500:
                self._refuse(500, "com.amazonaws.dynamodb.v20120810#InternalServerError")
            case Fault.ERROR_500_AFTER:
                self._act(document)
                self._refuse(500, "com.amazonaws.dynamodb.v20120810#InternalServerError")
            case Fault.ERROR_503_WITHOUT_JSON:
                self.answer(503, b"<html>Service Unavailable</html>")
            case Fault.RESET_BEFORE:
                self._reset()
            case Fault.RESET_AFTER:
                self._act(document)
                self._reset()
            case Fault.SLOW:
                answer = self._act(document)
                time.sleep(self.proxy.slow_seconds)
                self.answer(*answer)
            case Fault.LATE:
                self._reset()
                self._act_late(document)
            case Fault.DOUBLED:
                self._through(document)
                self._act_late(document)
            case Fault.TRUNCATED:
                self._truncated(*self._act(document))
            case Fault.DAMAGED:
                status, content = self._act(document)
                self.answer(status, content + b" ", checksum=zlib.crc32(content))
            case str() as code:
                self._refuse(400, code)

    def _through(self, document: dict[str, Any]) -> None:
        self.answer(*self._act(document, is_told=True))

    def _act(self, document: dict[str, Any], *, is_told: bool = False, headers: dict[str, str] | None = None) -> Answer:
        """`is_told`: the client will hear of it at once. `headers`: the request's, where this is another by now."""
        with self.proxy.order:
            status, content = self._forward(_encoded(document), headers)
            if status == 200:
                written = _written(document, json.loads(content))
                self.proxy.landed += written
                self.proxy.acknowledged += written if is_told else []
            return status, content

    def _act_late(self, document: dict[str, Any]) -> None:
        headers = dict(self.headers)  # those of now: the connection may have another request by then

        def arrive() -> None:
            time.sleep(self.proxy.slow_seconds)
            with contextlib.suppress(OSError, http.client.HTTPException):  # nobody waits for it, whatever becomes of it
                self._act(document, headers=headers)

        late = threading.Thread(target=arrive, daemon=True)
        self.proxy.late.append(late)
        late.start()

    def _some_unprocessed(self, document: dict[str, Any]) -> None:
        ((table, puts),) = document["RequestItems"].items()
        done, left = puts[: len(puts) // 2], puts[len(puts) // 2 :]
        if done:
            self._act({"RequestItems": {table: done}}, is_told=True)
        # shuffled, and with members in another order: DynamoDB promises neither
        left = [{"PutRequest": {"Item": dict(reversed(put["PutRequest"]["Item"].items()))}} for put in reversed(left)]
        self.answer(200, _encoded({"UnprocessedItems": {table: left}}))

    def _some_statements(self, document: dict[str, Any], dice: random.Random) -> None:
        """A third fails, the first always."""
        statements = document["Statements"]
        fails = [number == 0 or dice.random() < 0.3 for number in range(len(statements))]
        done = [one for one, fail in zip(statements, fails, strict=True) if not fail]
        responses: list[Any] = []
        if done:
            status, content = self._act({**document, "Statements": done}, is_told=True)
            if status != 200:
                self.answer(status, content)
                return
            responses = json.loads(content)["Responses"]
        told = iter(responses)
        self._answer_each(_statement_error(dice) if fail else next(told) for fail in fails)

    def _answer_each(self, responses: Iterable[dict[str, Any]]) -> None:
        self.answer(200, _encoded({"Responses": list(responses)}))

    def _forward(self, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        return http_front.forward(self.proxy.upstream, body, headers or dict(self.headers))

    def _refuse(self, status: int, code: str) -> None:
        self.answer(status, _encoded({"__type": code, "message": "on purpose"}))

    def _truncated(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) + 100))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


def _written(document: dict[str, Any], answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The items that a request has put, by its answer."""
    if "Item" in document:
        return [document["Item"]]
    if "KeyConditionExpression" in document:
        return []
    if "TransactItems" in document:
        return [write["Put"]["Item"] for write in document["TransactItems"] if "Put" in write]
    if "Statements" in document:
        pairs = zip(document["Statements"], answer["Responses"], strict=True)
        return [inserted(statement)[1] for statement, response in pairs if "Error" not in response]
    assert not answer.get("UnprocessedItems"), "the endpoint leaves items unprocessed by itself"
    return [put["PutRequest"]["Item"] for puts in document["RequestItems"].values() for put in puts]


def _statement_error(dice: random.Random | None = None) -> dict[str, Any]:
    """Without dice: the one that can come after the server has acted."""
    code = "InternalServerError" if dice is None else dice.choice(STATEMENT_CODES)
    return {"Error": {"Code": code, "Message": "on purpose"}}


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
