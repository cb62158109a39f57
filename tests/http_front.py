"""An HTTP server on 127.0.0.1 in front of a DynamoDB endpoint: what tests build upon to come between the two."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_OF_ONE_CONNECTION = ("content-length", "connection", "host")
_LONGEST_END_SECONDS = 5.0


class FrontHandler(BaseHTTPRequestHandler):
    """Subclasses `respond`. One thread a connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer's head and body are two packets; the second must not wait

    def do_POST(self) -> None:
        self.respond(self.rfile.read(int(self.headers["Content-Length"])))

    def respond(self, body: bytes) -> None:
        raise NotImplementedError

    @property
    def action(self) -> str:
        """`PutItem`"""
        return str(self.headers.get("X-Amz-Target", "")).rpartition(".")[2]

    def answer(self, status: int, content: bytes, checksum: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("x-amz-crc32", str(zlib.crc32(content) if checksum is None else checksum))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler: Callable[..., FrontHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._changed = threading.Condition()
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._connections.discard(request)
                self._changed.notify_all()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up are what the tests are about."""

    def cut(self) -> None:
        """All connections; what has come over them is dealt with, unless that takes very long."""
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, _LONGEST_END_SECONDS)


@contextlib.contextmanager
def serving(handler: Callable[..., FrontHandler]) -> Iterator[str]:
    """Gives the URL. Afterwards nothing passes any more, over old connections neither: a client that still tries would
    reach what the next test has there."""
    server = _Server(handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.cut()


def forward(upstream: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and content of the endpoint's answer. Over a connection of its own: one that is kept may be closed by
    then, and what was sent on it would have to be sent again."""
    address = urlsplit(upstream)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    with contextlib.closing(connection):
        kept = {name: value for name, value in headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        connection.request("POST", "/", body, kept)
        response = connection.getresponse()
        return response.status, response.read()
