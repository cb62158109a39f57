"""DynamoDB Streams of our own, over HTTP: what its pages say may happen, and moto's cannot.

Shards split and roll over, and are listed page by page in any order; pages are empty, short, or tell records again;
iterators expire; requests are throttled, fail, or find their connection gone; records and whole shards are trimmed.
Records of one item are in one shard and its descendants, in the order in which they were put.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

from __future__ import annotations

import hashlib
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from tests.http_front import FrontHandler, serving

Item = Mapping[str, Mapping[str, Any]]
TTL = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
DESCRIBED = 2
"""Shards in one page of DescribeStream."""
_SPACE = 2**32
_ERRORS = {"throttled": "LimitExceededException", "expired": "ExpiredIteratorException"}


@dataclass
class Shard:
    """Of the items whose hash is from `low` up to, not including, `high`. `trimmed`: so many records are gone."""

    id: str
    parent: str | None
    low: int
    high: int
    records: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False
    trimmed: int = 0
    created: float = field(default_factory=time.monotonic)


@dataclass
class FakeStreams:
    """`faults`: what befalls requests, by the share of them: `throttled`, `expired`, `failed`, `reset`, `empty`,
    `short`, `again`. `met`: how often each did. `asked`: requests by action."""

    seed: int = 0
    faults: Mapping[str, float] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    shards: dict[str, list[Shard]] = field(default_factory=dict)
    read: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    hollow: int = 0  # so many pages of each shard are empty at first

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._lock = threading.RLock()
        self._number = 10**24
        self._iterators: dict[str, tuple[Shard, int]] = {}
        self._served: Counter[str] = Counter()
        self.created_at = time.time()

    @contextmanager
    def serving(self) -> Iterator[str]:
        with serving(partial(_Handler, self)) as self.url:
            yield self.url

    def put(
        self,
        table: str,
        key: Item,
        old: Item | None,
        new: Item | None,
        by: Mapping[str, str] | None = None,
        at: float | None = None,
    ) -> None:
        """What was written in DynamoDB: `new` None for a removal. `at`: seconds since 1970, now unless given."""
        with self._lock:
            shard = self._open_shard(table, key)
            self._number += self._dice.randint(1, 1000)
            change: dict[str, Any] = {
                "ApproximateCreationDateTime": int(time.time() if at is None else at),
                "Keys": key,
                "SequenceNumber": str(self._number),
                "SizeBytes": 1,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            }
            change |= {} if old is None else {"OldImage": old}
            change |= {} if new is None else {"NewImage": new}
            name = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
            record = {"eventID": str(self._number), "eventName": name, "eventVersion": "1.1", "dynamodb": change}
            shard.records.append(record if by is None else record | {"userIdentity": by})

    def split(self, table: str, into: int = 2) -> None:
        """One of the open shards is closed; its children go on: one, or two with half of the items each."""
        with self._lock:
            shard = self._dice.choice([one for one in self._of(table) if not one.closed])
            shard.closed = True
            step = (shard.high - shard.low) // into or 1
            bounds = [shard.low + step * part for part in range(into)] + [shard.high]
            for low, high in pairwise(bounds):
                self._add(table, shard.id, low, high)

    def trim(self, table: str) -> None:
        """All records that there are; closed shards go altogether."""
        with self._lock:
            for shard in self._of(table):
                shard.trimmed = len(shard.records)
            self.shards[table] = [one for one in self._of(table) if not one.closed]

    def undelivered(self, table: str) -> int:
        with self._lock:
            return sum(len(one.records) for one in self._of(table))

    def respond(self, action: str, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Status and document; None where the connection is to be reset."""
        with self._lock:
            self.asked[action] += 1
            for fault in ("reset", "failed", "throttled"):
                if self._meets(fault):
                    break
            else:
                return self._answer(action, asked)
            if fault == "reset":
                return None
            return (500, _error("InternalServerError")) if fault == "failed" else (400, _error(_ERRORS[fault]))

    def _answer(self, action: str, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if action == "DescribeStream":
            return 200, {"StreamDescription": self._describe(asked)}
        if action == "GetShardIterator":
            return self._iterator(asked)
        if action == "GetRecords":
            return self._records(asked)
        return 400, _error("UnknownOperationException")

    def _describe(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        table = _table(asked["StreamArn"])
        listed = sorted(self._of(table), key=lambda one: hashlib.sha256(f"{self.seed}{one.id}".encode()).digest())
        after = asked.get("ExclusiveStartShardId")
        start = next((place + 1 for place, one in enumerate(listed) if one.id == after), 0)
        page = listed[start : start + DESCRIBED]
        shards = [
            {"ShardId": one.id, "SequenceNumberRange": {}, **({"ParentShardId": one.parent} if one.parent else {})}
            for one in page
        ]
        more = {"LastEvaluatedShardId": page[-1].id} if start + DESCRIBED < len(listed) else {}
        return {
            "StreamArn": asked["StreamArn"],
            "StreamStatus": "ENABLED",
            "CreationRequestDateTime": self.created_at,
            "Shards": shards,
            **more,
        }

    def _iterator(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        shard = next((one for one in self._of(_table(asked["StreamArn"])) if one.id == asked["ShardId"]), None)
        if shard is None:
            return 400, _error("ResourceNotFoundException")
        place = shard.trimmed
        if asked["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER":
            after = int(asked["SequenceNumber"])
            place = sum(int(one["dynamodb"]["SequenceNumber"]) <= after for one in shard.records)
            if place < shard.trimmed:
                return 400, _error("TrimmedDataAccessException")
        return 200, {"ShardIterator": self._named(shard, place)}

    def _records(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        found = self._iterators.get(asked["ShardIterator"])
        if found is None or self._meets("expired"):
            return 400, _error("ExpiredIteratorException")
        shard, place = found
        if place < shard.trimmed:
            return 400, _error("TrimmedDataAccessException")
        if self._served[shard.id] < self.hollow or self._meets("empty"):
            self._served[shard.id] += 1
            return 200, {"Records": [], "NextShardIterator": self._named(shard, place)}
        first = max(shard.trimmed, place - self._dice.randint(1, 5)) if self._meets("again") else place
        most = self._dice.randint(1, 4) if self._meets("short") else asked.get("Limit", 1000)
        last = max(place, min(first + most, len(shard.records)))
        self.read += [(shard.id, one["eventID"]) for one in shard.records[first:last]]
        more = {} if shard.closed and last == len(shard.records) else {"NextShardIterator": self._named(shard, last)}
        return 200, {"Records": shard.records[first:last], **more}

    def _meets(self, fault: str) -> bool:
        if self._dice.random() >= self.faults.get(fault, 0.0):
            return False
        self.met[fault] += 1
        return True

    def _named(self, shard: Shard, place: int) -> str:
        name = f"{len(self._iterators)}-{shard.id}"
        self._iterators[name] = (shard, place)
        return name

    def _open_shard(self, table: str, key: Item) -> Shard:
        place = int.from_bytes(hashlib.sha256(json.dumps(key, sort_keys=True).encode()).digest()[:4], "big")
        return next(one for one in self._of(table) if not one.closed and one.low <= place < one.high)

    def _of(self, table: str) -> list[Shard]:
        if table not in self.shards:
            self.shards[table] = []
            self._add(table, None, 0, _SPACE // 2)
            self._add(table, None, _SPACE // 2, _SPACE)
        return self.shards[table]

    def _add(self, table: str, parent: str | None, low: int, high: int) -> None:
        self._number += 1
        self.shards[table].append(Shard(f"shardId-{self._number:030d}", parent, low, high))


class _Handler(FrontHandler):
    def __init__(self, streams: FakeStreams, *arguments: Any) -> None:
        self._streams = streams
        super().__init__(*arguments)

    def respond(self, body: bytes) -> None:
        answer = self._streams.respond(self.action, json.loads(body))
        if answer is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        self.answer(answer[0], json.dumps(answer[1]).encode())


def _error(code: str) -> dict[str, Any]:
    return {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": ""}


def _table(arn: str) -> str:
    return arn.split("/")[1]
