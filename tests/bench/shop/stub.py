"""The stub of `tests.bench.backfill` for the shop's items; all but BatchWriteItem goes on to another endpoint.

    python -m tests.bench.shop.stub UPSTREAM

Prints its URL, serves until its standard input ends, then prints Served.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

from tests.bench.backfill.said import say
from tests.bench.backfill.stub import Stub, response, serve
from tests.http_front import forward

_HEADER = re.compile(rb"\r\n(x-amz-target|authorization|content-type): *([^\r]+)", re.IGNORECASE)


class ShopStub(Stub):
    def __init__(self, upstream: str) -> None:
        super().__init__(partiql=False)
        self._upstream = upstream

    def answer(self, head: bytes, body: bytes) -> bytes:
        headers = {name.decode(): value.decode() for name, value in _HEADER.findall(head)}
        if any(value.endswith(".BatchWriteItem") for value in headers.values()):
            return super().answer(head, body)
        return response(*forward(self._upstream, body, headers))

    def _check(self, head: bytes, action: bytes, document: dict[str, Any], items: int) -> None:
        puts = [one["PutRequest"]["Item"] for several in document["RequestItems"].values() for one in several]
        self.sampled += len(puts)
        self.wrong += len(puts) != items or any("_v" not in item for item in puts)


def main(upstream: str) -> None:
    stub = ShopStub(upstream)
    asyncio.run(serve(stub))
    say(stub.served())


if __name__ == "__main__":
    main(sys.argv[1])
