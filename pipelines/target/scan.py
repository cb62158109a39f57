"""Reads one segment of a table by a parallel, strongly consistent scan.

Items stay as they came over the wire, binaries as base64 text: nothing is decoded only to be encoded again.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipelines.errors import TargetError
from pipelines.target.budget import asking
from pipelines.target.failures import no_answer, refusal
from pipelines.target.page_pace import PagePace
from pipelines.target.retry import RetryPolicy
from pipelines.target.wire import Answer, Refusal, Wire

ACTION = "Scan"
READ_TIMEOUT_SECONDS = 60.0  # a page of 1 MB from a slow stand-in

WireItem = Mapping[str, Mapping[str, Any]]
"""One item as DynamoDB sends it, `{"pk":{"S":"…"},…}`; binaries as base64 text."""


class Scanner:
    """Scans through `wire`. `pause` is given the seconds to wait before a page is asked for again. `pace` holds the
    segment to a budget; without it pages are as large and as fast as they come."""

    def __init__(
        self,
        wire: Wire,
        policy: RetryPolicy | None = None,
        pause: Callable[[float], None] = time.sleep,
        pace: PagePace | None = None,
    ) -> None:
        self._wire = wire
        self._policy = policy or RetryPolicy()
        self._pause = pause
        self._pace = pace
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing

    def pages(self, table: str, segment: int, segments: int) -> Iterator[list[WireItem]]:
        """The pages of segment `segment` of `segments`, each at most 1 MB of items; empty pages are left out.

        Raises TargetError where an answer is final, or where retrying a page has not mended it; with a pace
        LostLockError.
        """
        request = {"TableName": table, "ConsistentRead": True, "Segment": segment, "TotalSegments": segments}
        while True:
            page = self._page(table, request)
            if page.get("Items"):
                yield page["Items"]
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _page(self, table: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        failures = 0
        while True:
            answer = self._ask(request)
            if isinstance(answer, Answer):
                return answer.document
            failures += 1
            if not answer.passing or failures == self._policy.attempts:
                raise self._failure(answer, table)
            self._pause(self._policy.delay_seconds(failures, self._random))

    def _ask(self, request: Mapping[str, Any]) -> Answer | Refusal:
        if self._pace is None:
            return self._wire.call(ACTION, json.dumps(request).encode())
        body = json.dumps({**request, "Limit": self._pace.begin()}).encode()
        answer = self._wire.call(ACTION, asking(body))
        self._pace.end(answer)
        return answer

    def _failure(self, answer: Refusal, table: str) -> TargetError:
        if answer.unheard is not None:
            return no_answer(answer.unheard, ACTION, self._wire.endpoint)
        return refusal(answer.code, ACTION, table, self._wire.endpoint)
