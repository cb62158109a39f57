"""A DynamoDB endpoint on 127.0.0.1 that has PartiQL INSERTs in batches, in front of one that has none.

Each statement becomes a conditional PutItem, with an outcome of its own, as DynamoDB has it; some fail on purpose.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_INSERT = re.compile(r'INSERT INTO "([\w.-]+)" VALUE \{(.*)\}')
_NAME = re.compile(r"'((?:[^']|'')*)': \?")
_CODES = {"ConditionalCheckFailedException": "DuplicateItem", "ValidationException": "ValidationError"}
_SIGNED_BY_ANYBODY = "AWS4-HMAC-SHA256 Credential=any/20261124/eu-central-1/dynamodb/aws4_request"


@dataclass
class PartiqlEndpoint:
    """`plan`: what the n-th statement (from 0) fails with, or None."""

    upstream: str
    plan: Callable[[int], str | None] = lambda number: None
    url: str = ""
    actions: list[str] = field(default_factory=list)  # of all requests
    statements: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def serving(self) -> Iterator[PartiqlEndpoint]:
        server = _Server(("127.0.0.1", 0), _Handler)
        server.endpoint = self
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def execute(self, body: dict[str, Any]) -> dict[str, Any]:
        assert 1 <= len(body["Statements"]) <= 25
        with self.lock:
            return {"Responses": [self._execute(one) for one in body["Statements"]]}

    def _execute(self, one: dict[str, Any]) -> dict[str, Any]:
        number, self.statements = self.statements, self.statements + 1
        found = _INSERT.fullmatch(one["Statement"])
        assert found is not None, one["Statement"]
        table, names = found[1], [name.replace("''", "'") for name in _NAME.findall(found[2])]
        code = self.plan(number) or self._put(table, dict(zip(names, one["Parameters"], strict=True)))
        return {"TableName": table} | ({"Error": {"Code": code, "Message": "on purpose"}} if code else {})

    def _put(self, table: str, item: dict[str, Any]) -> str | None:
        condition = {"ConditionExpression": "attribute_not_exists(#pk)", "ExpressionAttributeNames": {"#pk": "pk"}}
        status, content = self.forward("PutItem", json.dumps({"TableName": table, "Item": item} | condition).encode())
        code = str(json.loads(content).get("__type", "")).rpartition("#")[2]
        return None if status == 200 else _CODES.get(code, code)

    def forward(self, action: str, body: bytes) -> tuple[int, bytes]:
        upstream = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{action}"}
            connection.request("POST", "/", body, headers | {"Authorization": _SIGNED_BY_ANYBODY})
            response = connection.getresponse()
            return response.status, response.read()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    endpoint: PartiqlEndpoint

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        action = self.headers["X-Amz-Target"].rpartition(".")[2]
        endpoint = self.server.endpoint
        endpoint.actions.append(action)
        if action == "BatchExecuteStatement":
            status, content = 200, json.dumps(endpoint.execute(json.loads(body))).encode()
        else:
            status, content = endpoint.forward(action, body)
        self.send_response(status)
        self.send_header("x-amz-crc32", str(zlib.crc32(content)))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent."""
