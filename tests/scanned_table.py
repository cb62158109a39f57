"""A table that can only be scanned, as DynamoDB does it, and that accounts for what that consumes.

A page ends with Limit, or where its items exceed 1 MB; a key leads to the next one.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests import http_front
from tests.capacity_account import CapacityAccount

PAGE_BYTES = 1 << 20


@dataclass
class ScannedTable:
    """`items`: their order is the table's. `tells`: what an answer says was consumed: the truth, nothing, or one unit
    whatever it was."""

    name: str
    items: Sequence[dict[str, Any]]
    account: CapacityAccount
    tells: str = "truth"
    requests: list[dict[str, Any]] = field(default_factory=list)

    def scan(self, request: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(request)
        number, of = request["Segment"], request["TotalSegments"]
        mine = self.items[len(self.items) * number // of : len(self.items) * (number + 1) // of]
        start = int(request.get("ExclusiveStartKey", {}).get("at", {}).get("N", "0"))
        page = self._page(mine[start : start + request.get("Limit", len(mine))])
        units = self.account.read(self.name, page, consistent=request.get("ConsistentRead", False))
        answer: dict[str, Any] = {"Items": page, "Count": len(page)}
        if start + len(page) < len(mine):
            answer["LastEvaluatedKey"] = {"at": {"N": str(start + len(page))}}
        if "ReturnConsumedCapacity" in request and self.tells != "nothing":
            told = units if self.tells == "truth" else 1.0
            answer["ConsumedCapacity"] = {"TableName": self.name, "CapacityUnits": told}
        return answer

    def _page(self, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        page, size = [], 0
        for item in items:
            page.append(item)
            size += len(item["body"]["S"]) + 4
            if size > PAGE_BYTES:
                break
        return page


@dataclass
class ScanningEndpoint:
    """Everything but scans of `table` goes to `upstream`. `throttled`: so many scans are, one in three, at first."""

    upstream: str
    table: ScannedTable
    throttled: int = 0
    scans: int = 0
    url: str = ""

    @contextlib.contextmanager
    def serving(self) -> Iterator[ScanningEndpoint]:
        with http_front.serving(partial(_Handler, self)) as self.url:
            yield self


class _Handler(http_front.FrontHandler):
    def __init__(self, endpoint: ScanningEndpoint, *arguments: Any) -> None:
        self.endpoint = endpoint
        super().__init__(*arguments)

    def respond(self, body: bytes) -> None:
        request, endpoint = json.loads(body), self.endpoint
        if self.action != "Scan" or request["TableName"] != endpoint.table.name:
            self.answer(*http_front.forward(endpoint.upstream, body, dict(self.headers)))
            return
        endpoint.scans += 1
        if endpoint.throttled and endpoint.scans % 3 == 0:
            endpoint.throttled -= 1
            self.answer(400, b'{"__type":"x#ProvisionedThroughputExceededException","message":"on purpose"}')
            return
        self.answer(200, json.dumps(endpoint.table.scan(request)).encode())
