"""moto's streams beside its transactions.

moto copies a table before each transaction, with all its stream's records, and puts the copy in its place where the
transaction is cancelled. Iterators that were given out before then read the stream that is gone: it has no new records,
ever. Here they read the table's own, and a copy shares the records.
"""

from __future__ import annotations

import copy
from typing import Any

from moto.dynamodb.models.table import StreamShard
from moto.dynamodbstreams.models import ShardIterator


class _Current:
    """Attribute `stream_shard` of an iterator: of the table as it is now, if that is the same stream."""

    def __get__(self, iterator: Any, _: type | None = None) -> Any:
        given = iterator.__dict__["stream_shard"]
        table = iterator.streams_backend.dynamodb.tables.get(given.table.name)
        own = None if table is None else table.stream_shard
        return own if own is not None and own.created_on == given.created_on else given

    def __set__(self, iterator: Any, given: Any) -> None:
        iterator.__dict__["stream_shard"] = given


def _copied(shard: StreamShard, memo: dict[int, Any]) -> StreamShard:
    made = copy.copy(shard)
    memo[id(shard)] = made
    made.table = copy.deepcopy(shard.table, memo)
    made.items = list(shard.items)
    return made


def install() -> None:
    """In this process."""
    ShardIterator.stream_shard = _Current()  # type: ignore[assignment]
    StreamShard.__deepcopy__ = _copied  # type: ignore[attr-defined]
