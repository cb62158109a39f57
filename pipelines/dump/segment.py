"""One segment of one table, or one data file of its export: read, made records, and put in place as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.items.record import RECORD_SCHEMA
from pipelines.mapping.key_patterns import KeyMatcher
from pipelines.mapping.plan import MigrationPlan
from pipelines.target.budget import Allowance
from pipelines.target.client import Address
from pipelines.target.export_file import DataFile, items_of
from pipelines.target.page_pace import PagePace
from pipelines.target.record import target_record
from pipelines.target.scan import READ_TIMEOUT_SECONDS, Scanner, WireItem
from pipelines.target.wire import Wire
from pipelines.warehouse.dataset import RECORDS, TOMBSTONES, BucketWriter, bucket_folder
from pipelines.warehouse.hold import Hold
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.place import MissingError, Place

SEGMENTS = "segments"
BATCH_ROWS = 10_000
LONGEST_PART = 200  # characters; a file's name may have 255


@dataclass(frozen=True)
class Segment:
    """`file`: of the table's export; None where the table itself is scanned."""

    table: str
    key_names: tuple[str, ...]
    number: int
    of: int
    file: DataFile | None = None

    @property
    def part(self) -> str:
        """The name of its files. The number stands first: a table may be called `_t` or `.t`, and files of such a name
        are not read. What is too long for a file's name ends in a hash."""
        name = f"{self.number}-{self.table}"
        if len(name) <= LONGEST_PART:
            return name
        return f"{name[: LONGEST_PART - 33]}-{hashlib.sha256(self.table.encode()).hexdigest()[:32]}"


class SegmentCounts(BaseModel):
    """items: records written, the unmapped among them; tombstones come on top."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    segment: int
    items: int
    tombstones: int
    unmapped: int


@dataclass(frozen=True)
class ReadSegment:
    """The work of one task. `folder` is the dump's. `allowance`: what it may consume; without it, what it can.
    `item_bytes`: the average of each table that has one."""

    address: Address
    folder: Place
    plan: MigrationPlan
    buckets: int
    hold: Hold | None = None  # of the stage's lock
    allowance: Allowance | None = None
    item_bytes: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, segment: Segment) -> SegmentCounts:
        """Returns at once where an earlier attempt has read the segment to its end. Raises TargetError, and
        LostLockError, before the files get their names."""
        done = counts_of(self.folder, segment)
        if done is not None:
            return done
        records_folder, tombstones_folder = self.folder / RECORDS, self.folder / TOMBSTONES
        for folder in (records_folder, tombstones_folder):
            remove_part(folder, segment.part, self.buckets)
        rows = _Rows(segment, KeyMatcher(self.plan), self.buckets)
        with (
            self._items(segment) as found,
            BucketWriter(records_folder, segment.part) as writer,
            BucketWriter(tombstones_folder, segment.part) as tombstones,
        ):
            items = rows.of(found)
            while batch := list(islice(items, BATCH_ROWS)):
                writer.write(_table(row for is_tombstone, row in batch if not is_tombstone))
                tombstones.write(_table(row for is_tombstone, row in batch if is_tombstone))
            if self.hold is not None:
                self.hold.require()
        counts = rows.counts()
        counts_place(self.folder, segment).write_atomically(counts.model_dump_json() + "\n")
        return counts

    @contextmanager
    def _items(self, segment: Segment) -> Iterator[Iterator[WireItem]]:
        if segment.file is not None:
            yield items_of(segment.file, segment.key_names)
            return
        with Wire(self.address, 1, READ_TIMEOUT_SECONDS) as wire:
            pages = Scanner(wire, pace=self._pace(segment.table)).pages(segment.table, segment.number, segment.of)
            yield chain.from_iterable(pages)

    def _pace(self, table: str) -> PagePace | None:
        if self.allowance is None:
            return None
        return PagePace(self.allowance.budget(), table, self.item_bytes.get(table))


def counts_place(folder: Place, segment: Segment) -> Place:
    return folder / SEGMENTS / f"{segment.part}.json"


def counts_of(folder: Place, segment: Segment) -> SegmentCounts | None:
    try:
        return SegmentCounts.model_validate_json(counts_place(folder, segment).read_text())
    except (MissingError, ValidationError):
        return None


def remove_part(records_folder: Place, part: str, buckets: int) -> None:
    """What an attempt that was killed has left: finished files of some buckets, unfinished ones of others."""

    def remove(bucket: int) -> None:
        file = bucket_folder(records_folder, bucket) / f"{part}.parquet"
        file.remove()
        file.remove_unfinished()

    each(remove, range(buckets), records_folder)


class _Rows:
    """Makes rows of items, and counts them."""

    def __init__(self, segment: Segment, matcher: KeyMatcher, buckets: int) -> None:
        self._segment = segment
        self._matcher = matcher
        self._buckets = buckets
        self._items = self._tombstones = self._unmapped = 0

    def of(self, items: Iterator[WireItem]) -> Iterator[tuple[bool, dict[str, Any]]]:
        """Each row, and whether it is a tombstone's."""
        table = self._segment.table
        for item in items:
            record = target_record(item, self._segment.key_names)
            key = {name: item[name] for name in self._segment.key_names}
            item_type = self._matcher.item_type(table, key)
            if record.is_tombstone:
                self._tombstones += 1
            else:
                self._items += 1
                self._unmapped += item_type is None
            yield record.is_tombstone, record.row(item_type, table, self._buckets)

    def counts(self) -> SegmentCounts:
        return SegmentCounts(
            table=self._segment.table,
            segment=self._segment.number,
            items=self._items,
            tombstones=self._tombstones,
            unmapped=self._unmapped,
        )


def _table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=RECORD_SCHEMA)
