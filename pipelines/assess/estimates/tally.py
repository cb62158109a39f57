"""Sizes of items as they are built: only numbers are kept."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.assess.estimates.measured import IndexSizes, Sizes
from pipelines.items.reject import RejectReason
from pipelines.items.size import VERSION_BYTES, item_size
from pipelines.mapping.model import Include, TargetTable
from pipelines.mapping.outcome import Assembled, Outcome, Rejected

WRITE_BYTES = 1024
READ_BYTES = 4096
EVENTUALLY = 0.5
"""A read that is eventually consistent costs half."""

_OBJECT_BYTES = len('{"Item":}\n') + len(',"_v":{"N":""}') + 19
"""What a line that ImportTable reads has around the item, with a version of as many digits as one can have."""


def write_units(size: float) -> int:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html"""
    return max(math.ceil(size / WRITE_BYTES), 1)


def read_units(size: float) -> float:
    """Of all that one request reads of a partition, eventually consistent; of nothing, too."""
    return max(math.ceil(size / READ_BYTES), 1) * EVENTUALLY


@dataclass(frozen=True)
class _Index:
    """`keys`: an item without one of them is not in it; `held`: the attributes that it holds, None for all."""

    name: str
    keys: frozenset[str]
    held: frozenset[str] | None


@dataclass
class SizeTally:
    """Of one item type."""

    table: TargetTable
    rejects: Counter[RejectReason] = field(default_factory=Counter)
    _sizes: list[int] = field(default_factory=list)
    _bytes: int = 0
    _reads: float = 0.0
    _writes: int = 0
    _backfill: int = 0
    _objects: int = 0
    _in_index: Counter[str] = field(default_factory=Counter)
    _index_bytes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._indexes = _indexes(self.table)

    @property
    def mean_bytes(self) -> float:
        return self._bytes / max(len(self._sizes), 1)

    def add(self, outcome: Outcome) -> None:
        match outcome:
            case Assembled():
                self._add(outcome)
            case Rejected():
                self.rejects[outcome.reason] += 1

    def _add(self, item: Assembled) -> None:
        size = item.size
        self._sizes.append(size)
        self._bytes += size
        self._reads += read_units(size)
        self._writes += write_units(size)
        self._backfill += write_units(size + VERSION_BYTES)
        self._objects += len(item.item.encode()) + _OBJECT_BYTES
        if self._indexes:
            self._add_indexes(json.loads(item.item), size)

    def _add_indexes(self, item: Mapping[str, dict[str, object]], size: int) -> None:
        for index in self._indexes:
            if not index.keys <= item.keys():
                continue
            held, own = size, VERSION_BYTES
            if index.held is not None:
                held, own = item_size({name: value for name, value in item.items() if name in index.held}), 0
            self._in_index[index.name] += 1
            self._index_bytes[index.name] += held
            self._writes += write_units(held)
            self._backfill += write_units(held + own)

    def sizes(self) -> Sizes | None:
        """None where no item was built."""
        if not self._sizes:
            return None
        ordered, count = sorted(self._sizes), len(self._sizes)
        return Sizes(
            mean_bytes=self.mean_bytes,
            p50_bytes=percentile(ordered, 0.5),
            p99_bytes=percentile(ordered, 0.99),
            max_bytes=ordered[-1],
            read_units=self._reads / count,
            write_units=self._writes / count,
            backfill_units=self._backfill / count,
            object_bytes=self._objects / count,
            indexes={
                index.name: IndexSizes(
                    self._in_index[index.name] / count,
                    self._index_bytes[index.name] / max(self._in_index[index.name], 1),
                )
                for index in self._indexes
            },
        )


def percentile(ordered: list[int], share: float) -> int:
    """The least that at least this share does not exceed (PostgreSQL's percentile_disc)."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def supposed(row_bytes: float, table: TargetTable) -> Sizes:
    """Where no item could be built: each as large as a row is in the database, and in every index."""
    size = round(row_bytes)
    every = 1 + len(table.indexes)
    return Sizes(
        mean_bytes=row_bytes,
        p50_bytes=size,
        p99_bytes=size,
        max_bytes=size,
        read_units=read_units(size),
        write_units=float(write_units(size) * every),
        backfill_units=float(write_units(size + VERSION_BYTES) * every),
        object_bytes=row_bytes + _OBJECT_BYTES,
        indexes={name: IndexSizes(1.0, row_bytes) for name in table.indexes},
    )


def _indexes(table: TargetTable) -> tuple[_Index, ...]:
    base = frozenset(spec.name for spec in table.keys)
    found = []
    for name, index in table.indexes.items():
        specs = [index.partition_key, *([index.sort_key] if index.sort_key is not None else [])]
        keys = frozenset(spec.name for spec in specs)
        match index.projection:
            case "all":
                held = None
            case Include(include=names):
                held = base | keys | frozenset(names)
            case _:
                held = base | keys
        found.append(_Index(name, keys, held))
    return tuple(found)
