"""RDS that takes its time: moto ends an export task at once, and writes no file."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import parse_qs

_THROTTLED = (
    b'<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><Error><Type>Sender</Type>'
    b"<Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
)


@dataclass
class SlowRds:
    """Answers `describe` with these states in turn, the last one for ever; `export` is called, with the task and what
    it is to export, before the state COMPLETE is told for the first time. `throttled`: so many calls are refused."""

    upstream: str
    states: list[tuple[str, int]]
    export: Callable[[str, tuple[str, ...]], object]
    throttled: int = 0
    url: str = ""
    started: dict[str, tuple[str, ...]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def answer(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        action, task = fields["Action"], fields.get("ExportTaskIdentifier", "")
        self.calls.append(action)
        if action == "DescribeExportTasks" and self.throttled > 0:
            self.throttled -= 1
            return 400, _THROTTLED
        status, content = _forward(self.upstream, body, headers)
        if action == "StartExportTask" and status == 200:
            only = tuple(value for name, value in fields.items() if name.startswith("ExportOnly"))
            self.started[task] = only
            content = _state(content, "STARTING", 0)
        if action == "DescribeExportTasks" and status == 200:
            state, percent = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            if state == "COMPLETE" and task in self.started:
                self.export(task, self.started.pop(task))
            content = _state(content, state, percent)
        return status, content


@contextmanager
def serving(rds: SlowRds) -> Iterator[SlowRds]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = rds.answer(body, dict(self.headers))
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        rds.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield rds
        finally:
            server.shutdown()
            thread.join()


def _forward(upstream: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    kept = {name: value for name, value in headers.items() if name in ("Authorization", "Content-Type", "X-Amz-Date")}
    request = urllib.request.Request(upstream, data=body, headers=kept, method="POST")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def _state(content: bytes, state: str, percent: int) -> bytes:
    told = f"<Status>{state}</Status><PercentProgress>{percent}</PercentProgress>".encode()
    if state == "FAILED":
        told += b"<FailureCause>The IAM role\nisn't authorized to call PutObject</FailureCause>"
    return re.sub(rb"<Status>\w+</Status>", told, content)
