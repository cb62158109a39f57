"""A DynamoDB endpoint on 127.0.0.1 that does some actions itself and leaves the others to the one behind it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from tests import http_front

_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": "AWS4-HMAC-SHA256 Credential=any/20261124/eu-central-1/dynamodb/aws4_request",
}

Act = Callable[[dict[str, Any]], dict[str, Any] | str]
"""Takes a request; gives an answer, or the code of an error."""


@dataclass
class ActingEndpoint:
    """`fault`: what a call (its action, its number from 0) meets: a code for an error in place of the answer, `lost`
    where the call is carried out and not answered."""

    upstream: str
    fault: Callable[[str, int], str | None] = lambda action, number: None
    actions: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    @contextlib.contextmanager
    def serving(self) -> Iterator[Self]:
        with http_front.serving(partial(_Handler, self)) as self.url:
            yield self

    def own(self) -> Mapping[str, Act]:
        """By their actions."""
        raise NotImplementedError

    def call(self, action: str, request: dict[str, Any]) -> tuple[int, bytes]:
        """Of the endpoint behind."""
        headers = {**_HEADERS, "X-Amz-Target": f"DynamoDB_20120810.{action}"}
        return http_front.forward(self.upstream, json.dumps(request).encode(), headers)


class _Handler(http_front.FrontHandler):
    def __init__(self, endpoint: ActingEndpoint, *arguments: Any) -> None:
        self.endpoint = endpoint
        super().__init__(*arguments)

    def respond(self, body: bytes) -> None:
        endpoint = self.endpoint
        own = endpoint.own().get(self.action)
        with endpoint.lock:
            endpoint.actions.append(self.action)
            fault = endpoint.fault(self.action, endpoint.actions.count(self.action) - 1)
            if fault is not None and fault != "lost":
                self._refuse(fault)
                return
            if own is None:
                self.answer(*endpoint.call(self.action, json.loads(body)))
                return
            answer = own(json.loads(body))
        if fault == "lost":
            self.close_connection = True
        elif isinstance(answer, str):
            self._refuse(answer)
        else:
            self.answer(200, json.dumps(answer).encode())

    def _refuse(self, code: str) -> None:
        content = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "on purpose"}
        self.answer(500 if code == "InternalServerError" else 400, json.dumps(content).encode())
