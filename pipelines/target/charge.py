"""What a put consumes of a table's write capacity, told from the item before it is sent.

One unit for each KB begun of the item, and for each index that the item is in one for each KB begun of what the index
holds of it. An item without an index's key attributes is not in that index.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.items.canonical import quote
from pipelines.items.record import SOURCE_ATTRIBUTE, VERSION_ATTRIBUTE
from pipelines.items.size import item_size, number_size
from pipelines.target.table_shape import TableShape


@dataclass(frozen=True)
class Charge:
    """Write capacity units: the table's own, and those of all its indexes."""

    own: int = 0
    indexes: int = 0

    @property
    def total(self) -> int:
        return self.own + self.indexes


FREE = Charge()
"""Where there is no budget, nothing is charged."""


@dataclass(frozen=True)
class _Index:
    """`marks`: what is in an item's text if it has the index's key. `held`: the attributes that the index holds; None
    for all of them."""

    marks: tuple[bytes, ...]
    held: frozenset[str] | None


class Tariff:
    """Of one table; picklable."""

    def __init__(self, shape: TableShape) -> None:
        keys = frozenset(key.name for key in shape.keys)
        self._indexes = tuple(
            _Index(
                tuple(f"{quote(key.name)}:{{".encode() for key in index.keys),
                None if index.projected is None else index.projected | keys | {key.name for key in index.keys},
            )
            for index in shape.indexes.values()
        )

    def of(self, item: bytes, size: int, version: int, owner: str | None = None) -> Charge:
        """Of a record's `item`, `size` and `version`, put where nothing is. `owner`: the source key, where it is borne.

        At most too much: an attribute of the name of an index's key that only lies deeper in the item counts, too.
        """
        own_bytes = len(VERSION_ATTRIBUTE) + number_size(str(version))
        if owner is not None:
            own_bytes += len(SOURCE_ATTRIBUTE) + len(owner.encode())
        own = _units(size + own_bytes)
        return Charge(own, sum(self._in_index(index, item, own) for index in self._indexes))

    def _in_index(self, index: _Index, item: bytes, whole: int) -> int:
        if not all(mark in item for mark in index.marks):
            return 0
        if index.held is None:
            return whole
        return _units(item_size({name: value for name, value in json.loads(item).items() if name in index.held}))


def total(charges: Sequence[Charge]) -> Charge:
    return Charge(sum([one.own for one in charges]), sum([one.indexes for one in charges]))


def _units(size: int) -> int:
    return max(1, (size + 1023) // 1024)
