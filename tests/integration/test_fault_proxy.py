"""The fault proxy itself, for others' verdicts rest on what it notes."""

from __future__ import annotations

import contextlib
import http.client
import json
from functools import partial
from typing import Any

import pytest

from tests import http_front
from tests.fault_proxy import FaultProxy
from tests.faults import Fault

pytestmark = pytest.mark.integration

PUT = {"TableName": "orders", "Item": {"pk": {"S": "1"}}}
GET = {"TableName": "orders", "Key": {"pk": {"S": "1"}}}


class _Noting(http_front.FrontHandler):
    def __init__(self, met: list[tuple[str, Any]], *arguments: Any) -> None:
        self.met = met
        super().__init__(*arguments)

    def respond(self, body: bytes) -> None:
        self.met.append((self.action, json.loads(body)))
        self.answer(200, b"{}")


def test_a_request_that_is_carried_out_once_more_is_the_same_though_its_connection_has_another_by_then() -> None:
    """An endpoint can take another action's body for nothing to do, and the item would be noted as put twice."""
    met: list[tuple[str, Any]] = []
    with http_front.serving(partial(_Noting, met)) as upstream:
        proxy = FaultProxy(upstream, lambda number, body: Fault.DOUBLED, slow_seconds=0.3)
        with proxy.serving():
            connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"))
            with contextlib.closing(connection):
                for action, document in (("PutItem", PUT), ("GetItem", GET)):
                    headers = {"X-Amz-Target": f"DynamoDB_20120810.{action}"}
                    connection.request("POST", "/", json.dumps(document), headers)
                    connection.getresponse().read()
    assert met == [("PutItem", PUT), ("GetItem", GET), ("PutItem", PUT)]


@pytest.mark.parametrize("idle", [True, False])
def test_nothing_passes_once_it_has_ended(idle: bool) -> None:
    """A client keeps its connections, and may still be trying: its writes would land in the next test's tables."""
    met: list[tuple[str, Any]] = []
    headers = {"X-Amz-Target": "DynamoDB_20120810.PutItem"}
    with http_front.serving(partial(_Noting, met)) as upstream:
        with FaultProxy(upstream).serving() as proxy:
            connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"))
            connection.request("POST", "/", json.dumps(PUT), headers)
            connection.getresponse().read()
            if not idle:
                connection.putrequest("POST", "/")
        with contextlib.closing(connection), pytest.raises((OSError, http.client.HTTPException)):
            if idle:
                connection.auto_open = 0
                connection.request("POST", "/", json.dumps(PUT), headers)
            else:
                connection.putheader("X-Amz-Target", headers["X-Amz-Target"])
                connection.putheader("Content-Length", str(len(json.dumps(PUT))))
                connection.endheaders(json.dumps(PUT).encode())
            connection.getresponse()
    assert met == [("PutItem", PUT)]
