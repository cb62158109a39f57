"""moto's transactions, and its streams beside them.

moto copies the tables of each transaction whole, items, stream and all, and puts the copies in their places where the
transaction is cancelled. That takes a second where a table has some thousand items; and iterators that were given out
before read the stream that is gone from then on: it has no new records, ever, and holds its whole table.

Here a copy shares items and records with its table, for whoever changes an item puts another in its place; and
iterators read the stream of the table as it is, and hold nothing.
"""

from __future__ import annotations

import copy
import weakref
from collections import defaultdict
from typing import Any

from moto.dynamodb.exceptions import ResourceNotFoundException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import StreamShard, Table
from moto.dynamodbstreams.models import ShardIterator

_update_item = DynamoDBBackend.update_item


class _Current:
    """Attribute `stream_shard` of an iterator: of the table as it is now, if that is the same stream."""

    def __get__(self, iterator: Any, _: type | None = None) -> Any:
        name, created_on, given = iterator.__dict__["stream_shard"]
        table = iterator.streams_backend.dynamodb.tables.get(name)
        own = None if table is None else table.stream_shard
        if own is not None and own.created_on == created_on:
            return own
        shard = given()
        if shard is None:
            raise ResourceNotFoundException
        return shard

    def __set__(self, iterator: Any, given: StreamShard) -> None:
        iterator.__dict__["stream_shard"] = given.table.name, given.created_on, weakref.ref(given)


def _copied(table: Table, _memo: dict[int, Any]) -> Table:
    made = copy.copy(table)
    made.items = copy.copy(table.items)  # asks no key for its hash, which takes moto longer than all else
    if table.has_range_key:
        made.items = defaultdict(dict, {key: copy.copy(found) for key, found in table.items.items()})
    if table.stream_shard is not None:
        shard = made.stream_shard = copy.copy(table.stream_shard)
        shard.table = made
        shard.items = list(shard.items)
    return made


def _update_another(backend: DynamoDBBackend, table_name: str, key: dict[str, Any], *what: Any, **named: Any) -> Any:
    """As `update_item`, which changes the item in its place."""
    table = backend.tables.get(table_name)
    if table is not None and all(name in key for name in table.table_key_attrs):
        first = DynamoType(key[table.hash_key_attr])
        second = None if table.range_key_attr is None else DynamoType(key[table.range_key_attr])
        item = table.get_item(first, second)
        if item is not None:
            items: Any = table.items if second is None else table.items[first]
            items[second or first] = copy.deepcopy(item)
    return _update_item(backend, table_name, key, *what, **named)


def install() -> None:
    """In this process."""
    ShardIterator.stream_shard = _Current()  # type: ignore[assignment]
    Table.__deepcopy__ = _copied  # type: ignore[attr-defined]
    DynamoDBBackend.update_item = _update_another  # type: ignore[method-assign, assignment]
