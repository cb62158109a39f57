"""Compare and set: an item is replaced or removed only where it still is what was read.

The condition asks for every attribute that was there, and that those which come in are still absent. An attribute of
yet another name, which somebody adds between the reading and the write, is the one thing that it cannot see.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-expression-parameters
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pipelines.target.batch_get import ItemReader
from pipelines.target.conditional_write import DELETE, ONE_ITEM, PUT, REFUSED
from pipelines.target.failures import refusal
from pipelines.target.record import target_record
from pipelines.target.retry import RetryPolicy
from pipelines.target.scan import WireItem
from pipelines.target.wire import Answer, Wire

MOST_OPERATORS = 300
MOST_EXPRESSION_BYTES = 4_096


class Exact(Enum):
    DONE = "done"
    CHANGED = "what is there is not what was read"
    UNSAYABLE = "the item has more attributes than a condition of DynamoDB can ask for"
    IMPOSSIBLE = "DynamoDB takes no such item"


@dataclass(frozen=True)
class ExactWrite:
    """`key`: canonical. `observed`: what was read there, None: nothing. `wanted`: None: nothing is to be there."""

    table: str
    key: str
    observed: WireItem | None
    wanted: WireItem | None

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(json.loads(self.key))

    def is_now(self, item: WireItem | None) -> bool:
        return same_item(self.key_names, item, self.wanted)

    def was(self, item: WireItem | None) -> bool:
        return same_item(self.key_names, item, self.observed)

    def condition(self) -> dict[str, Any] | None:
        """The request's part; None where it would be longer than DynamoDB allows."""
        names = self.key_names
        if self.observed is None:
            return {"ConditionExpression": "attribute_not_exists(#k)", "ExpressionAttributeNames": {"#k": names[0]}}
        same = [name for name in self.observed if name not in names]
        added = [name for name in self.wanted or {} if name not in self.observed]
        parts = [f"#{n} = :{n}" for n in range(len(same))]
        parts += [f"attribute_not_exists(#{n})" for n in range(len(same), len(same) + len(added))]
        expression = " AND ".join(parts) or "attribute_exists(#0)"
        if 2 * len(parts) > MOST_OPERATORS or len(expression) > MOST_EXPRESSION_BYTES:
            return None
        named = [*same, *added] or [names[0]]
        condition: dict[str, Any] = {
            "ConditionExpression": expression,
            "ExpressionAttributeNames": {f"#{n}": name for n, name in enumerate(named)},
        }
        if same:
            condition["ExpressionAttributeValues"] = {f":{n}": self.observed[name] for n, name in enumerate(same)}
        return condition


def same_item(key_names: Sequence[str], one: WireItem | None, other: WireItem | None) -> bool:
    """However their sets are ordered and their numbers written."""
    if one is None or other is None:
        return one is other
    return target_record(one, key_names) == target_record(other, key_names)


class ExactWriter:
    """For the threads of one process. `pause` is given the seconds to wait before it is tried again."""

    def __init__(
        self, wire: Wire, policy: RetryPolicy | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._wire = wire
        self._reader = ItemReader(wire, policy, pause)

    def write(self, write: ExactWrite) -> Exact:
        """DONE, too, where the item is as wanted already. After an answer that cannot be understood it is read what
        has become of it. Raises TargetError where nothing can be written."""
        condition = write.condition()
        if condition is None:
            return Exact.UNSAYABLE
        action, body = _request(write, condition)
        failures = 0
        while True:
            answer = self._wire.call(action, body)
            if isinstance(answer, Answer):
                return Exact.DONE
            if answer.code in ONE_ITEM:
                return Exact.IMPOSSIBLE
            if answer.code != REFUSED and not answer.passing:
                raise refusal(answer.code, action, write.table, self._wire.endpoint)
            now = self._reader.read_one(write.table, write.key)
            if write.is_now(now):
                return Exact.DONE
            if answer.code == REFUSED or not write.was(now):
                return Exact.CHANGED
            failures += 1
            self._reader.wait_after(answer, failures, action, write.table)


def _request(write: ExactWrite, condition: dict[str, Any]) -> tuple[str, bytes]:
    if write.wanted is None:
        request = {"TableName": write.table, "Key": json.loads(write.key), **condition}
        return DELETE, _json(request)
    return PUT, _json({"TableName": write.table, "Item": write.wanted, **condition})


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()
