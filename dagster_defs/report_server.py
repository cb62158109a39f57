"""Serves the reports of a warehouse over HTTP: a browser opens no `file://` link of a page that came by HTTP, and
nobody's browser opens `s3://`.

Only `index.html`, `<migration>/reports/**` and `<migration>/assessments/**` are served, and only files of the kinds
that reports are made of: never a snapshot, a record, a dump or Dagster's own records. Nothing can be changed, and no
folder is listed.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from expectations.links import PAGE
from pipelines.errors import UsageError, WarehouseError
from pipelines.settings import warehouse_address
from pipelines.warehouse.place import MissingError, Place

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "localhost")
"""Of another name that leads here (DNS rebinding) a page on the web could be the origin, and read what it likes."""

CONTENT_TYPES = {".html": "text/html", ".json": "application/json", ".txt": "text/plain"}

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_NOT_SERVED = "Not found. Of the warehouse only its index.html and the reports of its migrations are served here.\n"


@contextlib.contextmanager
def serving_reports(warehouse: Place, port: int) -> Iterator[str]:
    """The address of the server, which runs in a thread of its own; where `port` is busy, another one is taken."""
    with bound(port) as listening:
        listening.listen()
        settings = uvicorn.Config(
            report_app(warehouse),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, args=([listening],), name="reports", daemon=True)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def bound(port: int) -> socket.socket:
    """Bound to this port of 127.0.0.1 or, where that is busy, to any other. Raises UsageError."""
    for candidate in (port, 0):
        one = socket.socket()
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((LOOPBACK, candidate))
            return one
        except OverflowError:
            one.close()
            raise UsageError(f"{port}: no port; give a number from 0 to 65535") from None
        except OSError:
            one.close()
    raise UsageError(f"no free port on {LOOPBACK}")


def reports() -> Starlette:
    """Those of CROSSOVER_WAREHOUSE, for `uvicorn --factory dagster_defs.report_server:reports`."""
    return report_app(Place.of(warehouse_address()))


def report_app(warehouse: Place) -> Starlette:
    def answer(request: Request) -> Response:
        path = request.path_params["path"] or PAGE
        try:
            content = page_at(warehouse, path).read_bytes()
        except MissingError:
            return PlainTextResponse(_NOT_SERVED, 404)
        except WarehouseError as error:
            return PlainTextResponse(f"{error}\n", 502)
        return Response(content, media_type=CONTENT_TYPES[PurePosixPath(path).suffix])

    return Starlette(
        routes=[Route("/{path:path}", answer, methods=["GET"])],
        middleware=[Middleware(_with_headers), Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
    )


def page_at(warehouse: Place, path: str) -> Place:
    """The file that is served at `path`, which is decoded and begins without a slash. Raises MissingError where there
    is none, and for all that is not served."""
    parts = path.split("/")
    is_report = len(parts) > 3 and parts[1] in ("reports", "assessments") and all(map(_is_plain, parts))
    if path != PAGE and not (is_report and PurePosixPath(path).suffix in CONTENT_TYPES):
        raise MissingError(f"{path}: not served")
    if warehouse.local is not None and not _is_own_file(warehouse.local.resolve() / path):
        raise MissingError(f"{path}: missing")
    return warehouse / path


def _is_plain(part: str) -> bool:
    """Neither empty, nor hidden, nor a way up, nor with a letter that means something to a file system."""
    return bool(part) and not part.startswith(".") and part.isprintable() and "\\" not in part


def _is_own_file(path: Path) -> bool:
    """A regular file that no link on the way leads to: it could lead out of the warehouse, which is resolved."""
    try:
        return path.is_file() and path.resolve() == path
    except OSError:  # a name that is too long
        return False


def _with_headers(app: ASGIApp) -> ASGIApp:
    """On every answer, refusals too."""
    added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await app(scope, receive, sending)

    return answering
