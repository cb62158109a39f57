"""The body of a BatchWriteItem request, joined from the records' texts without parsing them.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.items.canonical import canonical_item, quote
from pipelines.items.record import SOURCE_ATTRIBUTE, VERSION_ATTRIBUTE
from pipelines.target.charge import FREE, Charge, total

MAX_ITEMS = 25
MAX_BYTES = 16_000_000  # DynamoDB's limit is 16 MB; the rest is for what stands around the items


@dataclass(frozen=True)
class Put:
    """One record to write. `key` and `item` are canonical JSON; `item` is without Crossover's own attributes.
    `owner`: the source key, where items bear it."""

    key: str
    item: bytes
    version: int
    owner: str | None = None

    @property
    def charge(self) -> Charge:
        """What it consumes of a budget."""
        return FREE

    def request(self) -> bytes:
        """Of BatchWriteItem."""
        return b'{"PutRequest":{"Item":' + self._whole() + b"}}"

    def line(self) -> bytes:
        """Of an object that ImportTable reads, without the newline at its end; canonical JSON has none in it.
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Format.html"""
        return b'{"Item":' + self._whole() + b"}"

    def _whole(self) -> bytes:
        """The item with Crossover's own attributes."""
        own = f',"{VERSION_ATTRIBUTE}":{{"N":"{self.version}"}}'
        if self.owner is not None:
            own += f',"{SOURCE_ATTRIBUTE}":{{"S":{quote(self.owner)}}}'
        return self.item[:-1] + own.encode() + b"}"


@dataclass(frozen=True)
class ChargedPut(Put):
    """Where there is a budget. Where there is none, a hundred thousand puts a second need not carry what they cost."""

    charge: Charge = FREE


@dataclass(frozen=True)
class Batch:
    """Puts of one table that fit into one request."""

    table: str
    puts: tuple[Put, ...]

    def body(self) -> bytes:
        table = quote(self.table).encode()
        return b'{"RequestItems":{' + table + b":[" + b",".join(put.request() for put in self.puts) + b"]}}"

    @property
    def charge(self) -> Charge:
        return total([put.charge for put in self.puts])

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.puts) // 2
        return Batch(self.table, self.puts[:middle]), Batch(self.table, self.puts[middle:])


def batches(
    table: str,
    puts: Iterable[Put],
    max_items: int = MAX_ITEMS,
    max_bytes: int = MAX_BYTES,
    max_units: float = math.inf,
) -> Iterator[Batch]:
    """In order, each as full as the limits allow. `max_units`: of write capacity; one that is dearer goes alone."""
    held: list[Put] = []
    size = units = 0
    has_limit = max_units < math.inf
    for put in puts:
        size += len(put.item)
        if has_limit:
            units += put.charge.total
        if held and (len(held) == max_items or size > max_bytes or units > max_units):
            yield Batch(table, tuple(held))
            held, size, units = [], len(put.item), put.charge.total
        held.append(put)
    if held:
        yield Batch(table, tuple(held))


def unprocessed(batch: Batch, document: dict[str, Any]) -> Batch:
    """What DynamoDB gave back unwritten, as it was in `batch`; all of it where the answer names something else."""
    returned = document.get("UnprocessedItems", {}).get(batch.table, [])
    if not returned:
        return Batch(batch.table, ())
    by_key = {put.key: put for put in batch.puts}
    names = tuple(json.loads(batch.puts[0].key))
    keys = [_key_of(entry, names) for entry in returned]
    if any(key not in by_key for key in keys):
        return batch
    return Batch(batch.table, tuple(by_key[key] for key in keys))


def _key_of(entry: dict[str, Any], names: Sequence[str]) -> str:
    item = entry.get("PutRequest", {}).get("Item", {})
    return canonical_item({name: item[name] for name in names if name in item})
