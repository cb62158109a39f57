"""An endpoint with a table of so many pages, all alike: `stub MEGABYTES SIZE`; then it says what it has served."""

from __future__ import annotations

import json
import re
import sys

from tests.bench.backfill.data import DISTINCT, TABLE, texts
from tests.bench.backfill.said import Served
from tests.bench.backfill.stub import Stub, response, run

PAGE_BYTES = 1 << 20
_SAMPLE = 5
_SIGNED = re.compile(rb"\r\nauthorization: *AWS4-HMAC-SHA256 .*Signature=[0-9a-f]{64}", re.IGNORECASE)


class Scanned(Stub):
    """A page holds as many items as make 1 MB, or Limit where that is less."""

    def __init__(self, pages: int, size: int) -> None:
        super().__init__(partiql=False)
        self._left = pages * items_of_a_page(size)
        self._texts = [text.encode() for text in texts(size)]
        self._whole = items_of_a_page(size)
        self._items: dict[int, bytes] = {}

    def served(self) -> Served:
        return Served(self.requests, self.items, self.sampled, self.wrong)

    def answer(self, head: bytes, body: bytes) -> bytes:
        self.requests += 1
        request = json.loads(body)
        if self.requests % _SAMPLE == 1:
            self.sampled += 1
            self.wrong += request["TableName"] != TABLE or _SIGNED.search(head) is None
        items = min(self._left, self._whole, request.get("Limit", self._whole))
        self._left -= items
        self.items += items
        return self._page(items, is_last=self._left == 0)

    def _page(self, items: int, *, is_last: bool) -> bytes:
        """Each leads to the next by another key: boto3 takes the same one for a mistake."""
        if items not in self._items:
            self._items[items] = b",".join(self._texts[number % DISTINCT] for number in range(items))
        more = b"" if is_last else b',"LastEvaluatedKey":{"pk":{"S":"%d"},"sk":{"S":""}}' % self.requests
        return response(200, b'{"Items":[' + self._items[items] + b'],"Count":%d' % items + more + b"}")


def items_of_a_page(size: int) -> int:
    return PAGE_BYTES // size


if __name__ == "__main__":
    run(Scanned(int(sys.argv[1]), int(sys.argv[2])))
