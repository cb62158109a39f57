"""A DynamoDB endpoint whose puts wait at a gate, so that a test decides when they are answered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests import http_front

LONGEST_SECONDS = 20.0


@dataclass
class GatedEndpoint:
    """`gate`: called for each PutItem, before it is passed on. `actions`: all that was asked for, in order; `signed`:
    by whom."""

    upstream: str
    gate: Callable[[], object] = lambda: None
    actions: list[str] = field(default_factory=list)
    signed: set[str] = field(default_factory=set)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    url: str = ""
    _barrier: threading.Barrier | None = None

    @contextlib.contextmanager
    def serving(self) -> Iterator[GatedEndpoint]:
        with http_front.serving(partial(_Handler, self)) as self.url:
            yield self
            if self._barrier is not None:
                self._barrier.abort()  # who still waits there is not passed on

    def only_together(self, count: int) -> None:
        """From now on puts are answered when so many are waiting: never, if one is sent after the other."""
        self._barrier = threading.Barrier(count)
        self.gate = partial(self._barrier.wait, LONGEST_SECONDS)


class _Handler(http_front.FrontHandler):
    def __init__(self, endpoint: GatedEndpoint, *arguments: Any) -> None:
        self.endpoint = endpoint
        super().__init__(*arguments)

    def respond(self, body: bytes) -> None:
        self.endpoint.actions.append(self.action)
        self.endpoint.signed.add(
            self.headers["Authorization"].partition("/aws4_request")[0].partition("Credential=")[2]
        )
        if self.action == "PutItem":
            self.endpoint.arrived.release()
            self.endpoint.gate()
        self.answer(*http_front.forward(self.endpoint.upstream, body, dict(self.headers)))
