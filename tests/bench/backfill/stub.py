"""An endpoint that takes everything: prints its URL, serves until its standard input ends, then prints Served."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import zlib
from collections.abc import Iterable
from typing import Any

from tests.bench.backfill.data import TABLE
from tests.bench.backfill.said import Served, say

_SAMPLE = 40  # of so many requests one is decoded
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *DynamoDB_20120810\.(\w+)", re.IGNORECASE)
_SIGNED = re.compile(rb"\r\nauthorization: *AWS4-HMAC-SHA256 .*Signature=[0-9a-f]{64}", re.IGNORECASE)
_HEAD = (
    "HTTP/1.1 {status}\r\nServer: Server\r\nDate: Tue, 24 Nov 2026 08:55:13 GMT\r\n"
    "Content-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\nConnection: keep-alive\r\n"
    "x-amzn-RequestId: 4KBNVRGD25RG1KEO9UT4V3FQDJVV4KQNSO5AEMVJF66Q9ASUAAJG\r\nx-amz-crc32: {checksum}\r\n\r\n"
)
_MARKS = {b"BatchWriteItem": b'"PutRequest"', b"BatchExecuteStatement": b'"Statement":', b"PutItem": b'"Item"'}


class Stub:
    """`seconds`: each answer is so late."""

    seconds = 0.0

    def __init__(self, partiql: bool) -> None:
        self.requests = self.items = self.sampled = self.wrong = 0
        self._partiql = partiql
        self._answers: dict[tuple[bytes, int], bytes] = {}

    def served(self) -> Served:
        return Served(self.requests, self.items, self.sampled, self.wrong)

    def answer(self, head: bytes, body: bytes) -> bytes:
        self.requests += 1
        target = _TARGET.search(head)
        action = target[1] if target is not None else b""
        if action == b"BatchExecuteStatement" and not self._partiql:
            return response(400, b'{"__type":"com.amazon.coral.service#UnknownOperationException"}')
        items = body.count(_MARKS[action]) if action in _MARKS else 0
        self.items += items
        if self.requests % _SAMPLE == 1:
            self._check(head, action, json.loads(body), items)
        if (action, items) not in self._answers:
            self._answers[action, items] = response(200, _content(action, items))
        return self._answers[action, items]

    def _check(self, head: bytes, action: bytes, document: dict[str, Any], items: int) -> None:
        found = list(_items(action, document))
        self.sampled += len(found)
        is_right = len(found) == items and all(_is_right(item) for item in found) and _SIGNED.search(head) is not None
        self.wrong += not is_right


def _items(action: bytes, document: dict[str, Any]) -> Iterable[dict[str, Any]]:
    if action == b"BatchWriteItem":
        return [put["PutRequest"]["Item"] for put in document["RequestItems"][TABLE]]
    if action == b"PutItem":
        return [document["Item"]]
    return [
        dict(zip(re.findall(r"'(\w+)': \?", one["Statement"]), one["Parameters"], strict=True))
        for one in document["Statements"]
    ]


def _is_right(item: dict[str, Any]) -> bool:
    number = int(item["sk"]["S"].removeprefix("ORDER#"))
    return item["pk"]["S"] == f"CUSTOMER#{number % 97}" and float(item["total"]["N"]) == number + 0.25


def _content(action: bytes, items: int) -> bytes:
    if action == b"BatchWriteItem":
        return b'{"UnprocessedItems":{}}'
    if action == b"BatchExecuteStatement":
        return json.dumps({"Responses": [{"TableName": TABLE}] * items}, separators=(",", ":")).encode()
    return b"{}"


def response(status: int, content: bytes) -> bytes:
    head = _HEAD.format(status=f"{status} OK", length=len(content), checksum=zlib.crc32(content))
    return head.encode() + content


class _Connection(asyncio.Protocol):
    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._held = bytearray()
        self._needed = 0  # bytes of the request that is arriving; 0: not known
        self._head_end = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while self._is_whole():
            head, body = bytes(self._held[: self._head_end]), bytes(self._held[self._head_end + 4 : self._needed])
            del self._held[: self._needed]
            self._needed = 0
            answer = self._stub.answer(head, body)
            if self._stub.seconds:
                asyncio.get_running_loop().call_later(self._stub.seconds, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _is_whole(self) -> bool:
        if not self._needed:
            self._head_end = self._held.find(b"\r\n\r\n")
            if self._head_end < 0:
                return False
            length = _LENGTH.search(self._held, 0, self._head_end)
            self._needed = self._head_end + 4 + int(length[1] if length is not None else 0)
        return len(self._held) >= self._needed


async def serve(stub: Stub) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(stub), "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    run(Stub(partiql="--no-partiql" not in sys.argv))


def run(stub: Stub) -> None:
    asyncio.run(serve(stub))
    say(stub.served())


if __name__ == "__main__":
    main()
