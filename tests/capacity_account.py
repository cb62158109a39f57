"""Capacity as DynamoDB counts it, by rules of its own: of each item that is written, of each page that is read, when,
in which table.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests import http_front
from tests.partiql_statement import inserted

WINDOW_SECONDS = 5.0

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Index:
    """`keys`: its attributes. `holds`: those that it holds, keys included; None for all."""

    keys: tuple[str, ...]
    holds: frozenset[str] | None = None


@dataclass(frozen=True)
class Consumed:
    at: float  # seconds
    table: str
    units: float
    partition: Any = None  # the partition key's value


@dataclass
class CapacityAccount:
    """`indexes`: of each table."""

    indexes: Mapping[str, Sequence[Index]]
    entries: list[Consumed] = field(default_factory=list)
    clock: Callable[[], float] = time.monotonic

    def units(self, table: str, item: Item) -> int:
        """Of a put where nothing is."""
        units = _kilobytes(item)
        for index in self.indexes[table]:
            if all(key in item for key in index.keys):
                held = item if index.holds is None else {name: item[name] for name in index.holds if name in item}
                units += _kilobytes(held)
        return units

    def write(self, table: str, item: Item) -> int:
        units = self.units(table, item)
        self.entries.append(Consumed(self.clock(), table, units, item.get("pk")))
        return units

    def read(self, table: str, page: Sequence[Item], *, consistent: bool) -> float:
        """Of a Scan's page: a unit for each 4 KB begun of the sum, half of that where it is eventually consistent."""
        units = (-(-sum(map(_item_bytes, page)) // 4096) or 1) / (1 if consistent else 2)
        self.entries.append(Consumed(self.clock(), table, units))
        return units

    def dearest(self, table: str) -> float:
        """Units of an item."""
        return max(entry.units for entry in self.entries if entry.table == table)

    def most_in_a_window(self, table: str) -> float:
        """Units in the five seconds in which the most were consumed."""
        entries = self._of(table)
        times = [entry.at for entry in entries]
        ends = [bisect_left(times, at + WINDOW_SECONDS) for at in times]
        return max(sum(entry.units for entry in entries[start:end]) for start, end in enumerate(ends))

    def used(self, table: str, units_per_second: float) -> float:
        """The share of what could have been consumed, over all whole windows from the first entry on."""
        entries = self._of(table)
        begin = entries[0].at
        windows = int((entries[-1].at - begin) / WINDOW_SECONDS)
        assert windows >= 1, "too short to tell"
        end = begin + windows * WINDOW_SECONDS
        return sum(entry.units for entry in entries if entry.at < end) / (units_per_second * windows * WINDOW_SECONDS)

    def _of(self, table: str) -> list[Consumed]:
        return sorted((entry for entry in self.entries if entry.table == table), key=lambda entry: entry.at)


@dataclass
class CountingEndpoint:
    """Takes every item and keeps none, but counts it; what writes nothing goes to `upstream`.

    `tells`: what an answer says was consumed: the truth, nothing, or one unit whatever it was.
    """

    upstream: str
    account: CapacityAccount
    tells: str = "truth"
    partiql: bool = True
    url: str = ""
    asked: int = 0  # requests that want to know what they consumed

    @contextlib.contextmanager
    def serving(self) -> Iterator[CountingEndpoint]:
        with http_front.serving(partial(_Handler, self)) as self.url:
            yield self

    def said(self, document: dict[str, Any], table: str, units: int) -> dict[str, Any]:
        if "ReturnConsumedCapacity" not in document:
            return {}
        self.asked += 1
        if self.tells == "nothing":
            return {}
        return {"TableName": table, "CapacityUnits": float(units) if self.tells == "truth" else 1.0}


class _Handler(http_front.FrontHandler):
    def __init__(self, endpoint: CountingEndpoint, *arguments: Any) -> None:
        self.endpoint = endpoint
        super().__init__(*arguments)

    def respond(self, body: bytes) -> None:
        answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "BatchWriteItem": self._batch,
            "BatchExecuteStatement": self._statements,
            "PutItem": self._put,
        }
        if self.action not in answers:
            self.answer(*http_front.forward(self.endpoint.upstream, body, dict(self.headers)))
            return
        if self.action == "BatchExecuteStatement" and not self.endpoint.partiql:
            self.answer(400, b'{"__type":"com.amazon.coral.service#UnknownOperationException"}')
            return
        self.answer(200, json.dumps(answers[self.action](json.loads(body))).encode())

    def _batch(self, document: dict[str, Any]) -> dict[str, Any]:
        ((table, puts),) = document["RequestItems"].items()
        units = sum(self.endpoint.account.write(table, put["PutRequest"]["Item"]) for put in puts)
        said = self.endpoint.said(document, table, units)
        return {"UnprocessedItems": {}} | ({"ConsumedCapacity": [said]} if said else {})

    def _statements(self, document: dict[str, Any]) -> dict[str, Any]:
        items = [inserted(statement) for statement in document["Statements"]]
        units = sum(self.endpoint.account.write(table, item) for table, item in items)
        said = self.endpoint.said(document, items[0][0], units)
        responses = {"Responses": [{"TableName": table} for table, _ in items]}
        return responses | ({"ConsumedCapacity": [said]} if said else {})

    def _put(self, document: dict[str, Any]) -> dict[str, Any]:
        table = document["TableName"]
        said = self.endpoint.said(document, table, self.endpoint.account.write(table, document["Item"]))
        return {"ConsumedCapacity": said} if said else {}


def _kilobytes(item: Item) -> int:
    return -(-_item_bytes(item) // 1024) or 1


def _item_bytes(item: Item) -> int:
    return sum(len(name.encode()) + _bytes(value) for name, value in item.items())


def _bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _number_bytes(content)
        case "B":
            return len(base64.b64decode(content))
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _bytes(member) for member in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _bytes(member) for name, member in content.items())
        case _:
            return sum(_bytes({kind[0]: member}) for member in content)


def _number_bytes(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return 1 + -(-len(digits) // 2) + text.startswith("-")
