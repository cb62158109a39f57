"""Takes away tombstones, each on condition that it is exactly that one (rule 10).

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteItem.html
"""

from __future__ import annotations

import json
import random
import time

from pipelines.items.record import DELETED_ATTRIBUTE, VERSION_ATTRIBUTE
from pipelines.target.conditional_write import DELETE, REFUSED
from pipelines.target.failures import no_answer, refusal
from pipelines.target.retry import RetryPolicy
from pipelines.target.scan import WireItem
from pipelines.target.wire import Answer, Wire

_DEAD_AND_SAME = "attribute_exists(#deleted) AND #v = :v"


class Tombstones:
    """For one thread."""

    def __init__(self, wire: Wire, policy: RetryPolicy | None = None) -> None:
        self._wire = wire
        self._policy = policy or RetryPolicy(attempts=8, longest_delay_seconds=2.0)
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing

    def remove(self, table: str, key: WireItem, version: int) -> bool:
        """That of this version; whether it was there. Raises TargetError."""
        body = _request(table, key, version)
        failures = 0
        while True:
            answer = self._wire.call(DELETE, body)
            if isinstance(answer, Answer) or answer.code == REFUSED:
                return isinstance(answer, Answer)
            failures += 1
            if not answer.passing or failures == self._policy.attempts:
                break
            time.sleep(self._policy.delay_seconds(failures, self._random))
        if answer.unheard is not None:
            raise no_answer(answer.unheard, DELETE, self._wire.endpoint)
        raise refusal(answer.code, DELETE, table, self._wire.endpoint)


def _request(table: str, key: WireItem, version: int) -> bytes:
    request = {
        "TableName": table,
        "Key": key,
        "ConditionExpression": _DEAD_AND_SAME,
        "ExpressionAttributeNames": {"#deleted": DELETED_ATTRIBUTE, "#v": VERSION_ATTRIBUTE},
        "ExpressionAttributeValues": {":v": {"N": str(version)}},
    }
    return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
