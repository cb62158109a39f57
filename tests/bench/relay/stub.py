"""The stub of `tests.bench.backfill` for puts by condition; whatever is no PutItem goes on to another endpoint.

    python -m tests.bench.relay.stub UPSTREAM [SECONDS]

Prints its URL, serves until its standard input ends, then prints Served. `wrong` counts items that were put at a
version twice, too. Puts are answered after so many SECONDS.
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
_KEY_AND_VERSION = re.compile(rb'"pk":\{"S":"([^"]+)"\}.*"_v":\{"N":"(\d+)"\}', re.DOTALL)


class RelayStub(Stub):
    def __init__(self, upstream: str) -> None:
        super().__init__(partiql=False)
        self._upstream = upstream
        self._seen: set[tuple[bytes, bytes]] = set()

    def answer(self, head: bytes, body: bytes) -> bytes:
        headers = {name.decode(): value.decode() for name, value in _HEADER.findall(head)}
        if not any(value.endswith(".PutItem") for value in headers.values()):
            return response(*forward(self._upstream, body, headers))
        found = _KEY_AND_VERSION.search(body)
        put = (found[1], found[2]) if found is not None else (b"", b"")
        self.wrong += put in self._seen or found is None
        self._seen.add(put)
        return super().answer(head, body)

    def _check(self, head: bytes, action: bytes, document: dict[str, Any], items: int) -> None:
        self.sampled += 1
        self.wrong += "ConditionExpression" not in document or items != 1


def main(upstream: str, seconds: str = "0") -> None:
    stub = RelayStub(upstream)
    stub.seconds = float(seconds)
    asyncio.run(serve(stub))
    say(stub.served())


if __name__ == "__main__":
    main(*sys.argv[1:])
