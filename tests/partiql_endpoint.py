"""A DynamoDB endpoint on 127.0.0.1 that has PartiQL INSERTs in batches, in front of one that has none.

Each statement becomes a conditional PutItem, with an outcome of its own, as DynamoDB has it; some fail on purpose.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests import http_front
from tests.partiql_statement import inserted

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
        with http_front.serving(partial(_Handler, self)) as self.url:
            yield self

    def execute(self, body: dict[str, Any]) -> dict[str, Any]:
        assert 1 <= len(body["Statements"]) <= 25
        with self.lock:
            return {"Responses": [self._execute(one) for one in body["Statements"]]}

    def _execute(self, one: dict[str, Any]) -> dict[str, Any]:
        number, self.statements = self.statements, self.statements + 1
        table, item = inserted(one)
        code = self.plan(number) or self._put(table, item)
        return {"TableName": table} | ({"Error": {"Code": code, "Message": "on purpose"}} if code else {})

    def _put(self, table: str, item: dict[str, Any]) -> str | None:
        condition = {"ConditionExpression": "attribute_not_exists(#pk)", "ExpressionAttributeNames": {"#pk": "pk"}}
        status, content = self.forward("PutItem", json.dumps({"TableName": table, "Item": item} | condition).encode())
        code = str(json.loads(content).get("__type", "")).rpartition("#")[2]
        return None if status == 200 else _CODES.get(code, code)

    def forward(self, action: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{action}"}
        return http_front.forward(self.upstream, body, headers | {"Authorization": _SIGNED_BY_ANYBODY})


class _Handler(http_front.FrontHandler):
    def __init__(self, endpoint: PartiqlEndpoint, *arguments: Any) -> None:
        self.endpoint = endpoint
        super().__init__(*arguments)

    def respond(self, body: bytes) -> None:
        self.endpoint.actions.append(self.action)
        if self.action == "BatchExecuteStatement":
            self.answer(200, json.dumps(self.endpoint.execute(json.loads(body))).encode())
        else:
            self.answer(*self.endpoint.forward(self.action, body))
