"""A DynamoDB endpoint that fails on purpose: an HTTP proxy on 127.0.0.1 in front of a good one.

No stand-in throttles, leaves items unprocessed or loses answers by itself. Only the actions that it is told of are
disturbed. The proxy notes which items it told the client were written, in the order in which they were, and which
were written at all.
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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Fault(Enum):
    THROTTLED = auto()
    SOME_UNPROCESSED = auto()
    ALL_UNPROCESSED = auto()
    ERROR_500 = auto()
    ERROR_503_WITHOUT_JSON = auto()
    RESET_BEFORE = auto()  # the server never sees the request
    RESET_AFTER = auto()  # the server has acted, the answer is lost
    SLOW = auto()  # the server has acted, the answer comes after `slow_seconds`
    TRUNCATED = auto()  # the server has acted, half of the answer comes
    DAMAGED = auto()  # the server has acted, the answer does not fit its checksum
    LATE = auto()  # the connection is reset, and after `slow_seconds` the server acts
    DOUBLED = auto()  # the server acts, and after `slow_seconds` once more


BATCH_FAULTS = tuple(fault for fault in Fault if fault not in (Fault.LATE, Fault.DOUBLED))
PUT_FAULTS = tuple(fault for fault in Fault if fault not in (Fault.SOME_UNPROCESSED, Fault.ALL_UNPROCESSED))


Plan = Callable[[int, dict[str, Any]], Fault | str | None]
"""What happens to the n-th request (from 0) that has this body: a fault, a refusal with a code, or nothing."""


def seeded(seed: int, share: float, faults: tuple[Fault, ...] = BATCH_FAULTS) -> Plan:
    """A share of the requests meets one of the faults, the same for the same seed and number."""

    def plan(number: int, _: dict[str, Any]) -> Fault | None:
        dice = random.Random(f"{seed}:{number}")
        return dice.choice(faults) if dice.random() < share else None

    return plan


@dataclass
class FaultProxy:
    upstream: str
    plan: Plan = lambda number, body: None
    slow_seconds: float = 1.0
    actions: tuple[str, ...] = ("BatchWriteItem",)
    acknowledged: list[dict[str, Any]] = field(default_factory=list)  # items, as often as acknowledged
    landed: list[dict[str, Any]] = field(default_factory=list)  # items of PutItem, as often as written
    met: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""
    order: threading.Lock = field(default_factory=threading.Lock)  # of writing and noting
    late: list[threading.Thread] = field(default_factory=list)

    @contextlib.contextmanager
    def serving(self) -> Iterator[FaultProxy]:
        server = _Server(("127.0.0.1", 0), _Handler)
        server.proxy = self
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            for late in self.late:
                late.join()
            server.shutdown()
            thread.join()
            server.server_close()

    def decide(self, body: dict[str, Any]) -> Fault | str | None:
        with self.lock:
            number, self.requests = self.requests, self.requests + 1
            fate = self.plan(number, body)
            if fate is not None:
                self.met[fate.name if isinstance(fate, Fault) else fate] += 1
            return fate


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    proxy: FaultProxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("X-Amz-Target", "").rpartition(".")[2] not in self.server.proxy.actions:
            self._answer(*self._forward(body))
            return
        document = json.loads(body)
        fate = self.server.proxy.decide(document)
        match fate:
            case None:
                self._through(document, body)
            case Fault.SOME_UNPROCESSED:
                self._some_unprocessed(document)
            case Fault.ALL_UNPROCESSED:
                self._answer(200, _encoded({"UnprocessedItems": document["RequestItems"]}))
            case Fault.THROTTLED:
                self._refuse(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
            case Fault.ERROR_500:
                self._refuse(500, "com.amazonaws.dynamodb.v20120810#InternalServerError")
            case Fault.ERROR_503_WITHOUT_JSON:
                self._answer(503, b"<html>Service Unavailable</html>")
            case Fault.RESET_BEFORE:
                self._reset()
            case Fault.RESET_AFTER:
                self._act(document, body)
                self._reset()
            case Fault.SLOW:
                answer = self._act(document, body)
                time.sleep(self.server.proxy.slow_seconds)
                self._answer(*answer)
            case Fault.LATE:
                self._reset()
                self._repeat_late(document, body)
            case Fault.DOUBLED:
                self._through(document, body)
                self._repeat_late(document, body)
            case Fault.TRUNCATED:
                self._truncated(*self._act(document, body))
            case Fault.DAMAGED:
                status, content = self._act(document, body)
                self._answer(status, content + b" ", checksum=zlib.crc32(content))
            case str() as code:
                self._refuse(400, code)

    def _through(self, document: dict[str, Any], body: bytes) -> None:
        with self.server.proxy.order:
            status, content = self._forward_and_note(document, body)
            if status == 200:
                self._note(document)
        self._answer(status, content)

    def _act(self, document: dict[str, Any], body: bytes) -> tuple[int, bytes]:
        with self.server.proxy.order:
            return self._forward_and_note(document, body)

    def _forward_and_note(self, document: dict[str, Any], body: bytes) -> tuple[int, bytes]:
        status, content = self._forward(body)
        if status == 200 and "Item" in document:
            self.server.proxy.landed.append(document["Item"])
        return status, content

    def _repeat_late(self, document: dict[str, Any], body: bytes) -> None:
        def arrive() -> None:
            time.sleep(self.server.proxy.slow_seconds)
            with contextlib.suppress(OSError, http.client.HTTPException):  # nobody waits for it, whatever becomes of it
                self._act(document, body)

        late = threading.Thread(target=arrive, daemon=True)
        self.server.proxy.late.append(late)
        late.start()

    def _some_unprocessed(self, document: dict[str, Any]) -> None:
        ((table, puts),) = document["RequestItems"].items()
        kept = {"RequestItems": {table: puts[: len(puts) // 2]}}
        if kept["RequestItems"][table]:
            self._forward(_encoded(kept))
            self._note(kept)
        # shuffled, and with members in another order: DynamoDB promises neither
        left = [{"PutRequest": {"Item": dict(reversed(put["PutRequest"]["Item"].items()))}} for put in puts]
        self._answer(200, _encoded({"UnprocessedItems": {table: left[: len(puts) // 2 - 1 : -1]}}))

    def _note(self, document: dict[str, Any]) -> None:
        with self.server.proxy.lock:
            if "Item" in document:
                self.server.proxy.acknowledged.append(document["Item"])
            for puts in document.get("RequestItems", {}).values():
                self.server.proxy.acknowledged.extend(put["PutRequest"]["Item"] for put in puts)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        upstream = urlsplit(self.server.proxy.upstream)
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
        try:
            headers: Mapping[str, str] = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("content-length", "connection", "host")
            }
            connection.request("POST", "/", body, dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, _encoded({"__type": code, "message": "on purpose"}))

    def _answer(self, status: int, content: bytes, checksum: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("x-amz-crc32", str(zlib.crc32(content) if checksum is None else checksum))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

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

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent."""


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
