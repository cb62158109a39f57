"""What goes into a bucket's join (`kernel`), and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.diff.verdict import LedgerSide, SourceSide, TargetSide
from pipelines.mapping.key_source import KeyReader
from pipelines.warehouse.place import Place

REJECT_COLUMNS = ("item_type", "source_key", "table", "key", "size")


@dataclass(frozen=True)
class KnownRows:
    """The snapshot's ledger. `files`: (item_type, source_key, version, undelivered) of the rows that it has heard of.
    `readers`: of each item type that has a ledger. `marked`: item types that an open mark reaches."""

    files: tuple[Place, ...]
    readers: Mapping[str, KeyReader]
    first_version: int
    next_epoch: int
    marked: frozenset[str]


@dataclass(frozen=True)
class BucketSides:
    """`source_files`, `target_files`: the bucket's records. `rejects`: REJECT_COLUMNS of the bucket's rejects.
    `tombstone_files`: of use with a ledger only."""

    bucket: int
    source_files: tuple[Place, ...]
    target_files: tuple[Place, ...]
    rejects: pa.Table
    ledger: KnownRows | None = None
    tombstone_files: tuple[Place, ...] = ()


@dataclass(frozen=True)
class SideCounts:
    source_records: int
    source_rejects: int
    target_items: int


@dataclass(frozen=True)
class Pairs:
    """What is known of keys that the join alone does not settle, or of rejects without one, some hundred at a time.

    `rows`: columns of `PAIRS`; `source_item` and `target_item` where both sides have the key and differ. Most of them
    only pass through: to make Python's values of all would cost as much as to judge them.
    """

    rows: pa.RecordBatch
    source_version: Sequence[int | None]
    ledger: Sequence[LedgerSide | None]

    def column(self, name: str) -> list[Any]:
        values: list[Any] = self.rows.column(name).to_pylist()
        return values

    def sides(self) -> Iterator[tuple[SourceSide | None, TargetSide | None, LedgerSide | None]]:
        names = ("in_source", "source_digest", "in_target", "target_digest", "target_version", "target_mapped")
        columns = map(self.column, names)
        for version, ledger, in_source, source_digest, in_target, target_digest, target_version, mapped in zip(
            self.source_version, self.ledger, *columns, strict=True
        ):
            yield (
                SourceSide(source_digest, version or 0) if in_source else None,
                TargetSide(target_digest, target_version, mapped) if in_target else None,
                ledger,
            )
