"""moto's DynamoDB and S3 over HTTP/1.1: a thread for each connection, connections stay open, no access log.

Werkzeug's own handler closes every connection, and before that waits 10 ms for more to read. moto looks at an item's
condition, then writes, and takes no lock: it is given one request at a time, or two writers pass one condition. Its
PartiQL understands some statements, and an INSERT of an item that is there replaces it: it is said to have none.
"""

from __future__ import annotations

import io
import threading
from http.server import ThreadingHTTPServer
from typing import IO, Any, cast

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import DechunkedInput
from werkzeug.test import run_wsgi_app

from pipelines.target import embedded_json, embedded_streams

_PARTIQL = ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")
_UNKNOWN = b'{"__type":"com.amazonaws.dynamodb.v20120810#UnknownOperationException","message":"no PartiQL here"}'
_SET_BY_THE_SERVER = frozenset({"content-length", "transfer-encoding", "connection", "server", "date"})


class EmbeddedServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1; port 0 takes a free one. Raises OSError where the port is taken."""

    daemon_threads = True
    request_queue_size = 128

    # what werkzeug's make_environ wants to know of its server
    multithread = True
    multiprocess = False
    ssl_context = None
    _server_version = "moto"

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _KeepAliveHandler)
        embedded_json.install()
        embedded_streams.install()
        self.application = DomainDispatcherApplication(create_backend_app)
        self.at_work = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class _KeepAliveHandler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two packets; the second must not wait for an ACK
    server: EmbeddedServer  # type: ignore[assignment]

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        environ["wsgi.input"] = io.BytesIO(self._request_body())
        if self.headers.get("X-Amz-Target", "").rpartition(".")[2] in _PARTIQL:
            self._answer(400, [("Content-Type", "application/x-amz-json-1.0")], _UNKNOWN)
            return
        try:
            with self.server.at_work:
                body, status, headers = run_wsgi_app(self.server.application, environ, buffered=True)
        except Exception as error:  # moto fails so on what it does not support
            self._answer(500, [("Content-Type", "text/plain")], f"{type(error).__name__}: {error}".encode())
        else:
            self._answer(int(status.split()[0]), list(headers), b"".join(body))

    def _request_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return DechunkedInput(cast(IO[bytes], self.rfile)).readall()
        content: bytes = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return content

    def _answer(self, code: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(code)
        for name, value in headers:
            if name.lower() not in _SET_BY_THE_SERVER:
                self.send_header(name, value)
        length = next((value for name, value in headers if name.lower() == "content-length"), None)
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log(self, type: str, message: str, *args: Any) -> None:
        """moto's lines help nobody here."""
