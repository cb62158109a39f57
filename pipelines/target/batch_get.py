"""Items by their keys, strongly consistent, a hundred in one request.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipelines.items.canonical import quote
from pipelines.target.conditional_write import GET, lookup
from pipelines.target.failures import UNKNOWN_OPERATION, no_answer, refusal
from pipelines.target.record import TargetRecord, target_record
from pipelines.target.retry import RetryPolicy
from pipelines.target.scan import WireItem
from pipelines.target.wire import Answer, Refusal, Wire

ACTION = "BatchGetItem"
MOST_KEYS = 100
_UNPROCESSED = Refusal("UnprocessedItems", "", passing=True)


class ItemReader:
    """For the threads of one process. `pause` is given the seconds to wait before the same is asked for again."""

    def __init__(
        self, wire: Wire, policy: RetryPolicy | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._wire = wire
        self._policy = policy or RetryPolicy()
        self._pause = pause
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._has_batches = True  # until the endpoint says otherwise

    def read(self, table: str, keys: Sequence[str]) -> dict[str, TargetRecord]:
        """What is at these keys (canonical, at most MOST_KEYS), tombstones included, by key; what is absent is not in
        it. Raises TargetError where an answer is final, or where retrying has not mended it."""
        names = tuple(json.loads(keys[0])) if keys else ()
        records = (target_record(item, names) for item in self._items(table, list(dict.fromkeys(keys))))
        return {record.key: record for record in records}

    def read_wire(self, table: str, keys: Sequence[str]) -> dict[str, WireItem]:
        """As `read`, the items as DynamoDB has them."""
        names = tuple(json.loads(keys[0])) if keys else ()
        return {target_record(item, names).key: item for item in self._items(table, list(dict.fromkeys(keys)))}

    def _items(self, table: str, keys: list[str]) -> Iterator[WireItem]:
        if self._has_batches:
            try:
                yield from self._batches(table, keys)
                return
            except _NoBatchesError:
                self._has_batches = False
        yield from self._one_by_one(table, keys)

    def _batches(self, table: str, keys: list[str]) -> Iterator[WireItem]:
        """Those that the endpoint has left unprocessed are asked for again; any that it has answered is progress."""
        failures = 0
        while keys:
            answer = self._wire.call(ACTION, _batch(table, keys))
            if isinstance(answer, Answer):
                yield from answer.document.get("Responses", {}).get(table, ())
                left, refused = _left(answer.document, table), _UNPROCESSED
            elif answer.code in UNKNOWN_OPERATION:
                raise _NoBatchesError
            else:
                left, refused = keys, answer
            failures = failures + 1 if len(left) == len(keys) else 0
            if left:
                self.wait_after(refused, failures, ACTION, table)
            keys = left

    def _one_by_one(self, table: str, keys: Iterable[str]) -> Iterator[WireItem]:
        for key in keys:
            found = self.read_one(table, key)
            if found:
                yield found

    def read_one(self, table: str, key: str) -> WireItem | None:
        """What is at one key, as DynamoDB has it. Raises as `read`."""
        failures = 0
        while True:
            answer = self._wire.call(GET, lookup(table, key))
            if isinstance(answer, Answer):
                return answer.document.get("Item")
            failures += 1
            self.wait_after(answer, failures, GET, table)

    def wait_after(self, answer: Refusal, failures: int, action: str, table: str) -> None:
        """Before the same is asked for again. Raises TargetError where that has not helped, or cannot."""
        if answer.passing and failures < self._policy.attempts:
            self._pause(self._policy.delay_seconds(max(failures, 1), self._random))
            return
        if answer.unheard is not None:
            raise no_answer(answer.unheard, action, self._wire.endpoint)
        raise refusal(answer.code, action, table, self._wire.endpoint)


class _NoBatchesError(Exception):
    """The endpoint has no such call, which it has said before it has returned anything."""


def _batch(table: str, keys: Sequence[str]) -> bytes:
    return f'{{"RequestItems":{{{quote(table)}:{{"Keys":[{",".join(keys)}],"ConsistentRead":true}}}}}}'.encode()


def _left(document: Mapping[str, Any], table: str) -> list[str]:
    keys = document.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())
    return [json.dumps(key, ensure_ascii=False, separators=(",", ":")) for key in keys]
