"""One piece of an import: all records of one bucket become lines of DynamoDB JSON in objects that ImportTable reads.

What AWS advises is kept ("Best practices for importing from Amazon S3 into DynamoDB", Developer Guide): at most 50,000
objects, of one size, and in none of them the keys in order, for those would run one partition hot after the other.
A bucket is a hash of the key, so that each holds a share of every partition; within it the rows are dealt out to the
bucket's objects at random, and each object's lines are shuffled.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.BestPractices.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Format.html
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from pipelines.target.cold_bucket import COLUMNS, puts_of
from pipelines.target.import_folder import BucketObjects, ImportFolder, WrittenObject
from pipelines.warehouse.dataset import bucket_batches
from pipelines.warehouse.local_place import disk_errors
from pipelines.warehouse.place import Place
from pipelines.warehouse.scratch import scratch_folder

OBJECT_BYTES = 16 << 20
"""Of items by DynamoDB's own measure, in one object; its lines are about one and a half times as long, and are held in
memory while they are shuffled. Above MOST_OBJECTS of them an object holds more."""

MOST_OBJECTS = 40_000  # and one more for each bucket, of which there are 4,096 at most: below 50,000

_GZIP_LEVEL = 3  # twice as fast as the usual 6, and an eighth larger
_ROWS_AT_ONCE = 1_000
_HELD_BYTES = 8 << 20
_LINES_AT_ONCE = 1_000


class Compression(StrEnum):
    """ImportTable's InputCompressionType; stand-ins know gzip only."""

    GZIP = "GZIP"
    ZSTD = "ZSTD"

    @property
    def ending(self) -> str:
        return ".json.gz" if self is Compression.GZIP else ".json.zst"


def objects_per_bucket(size: int, buckets: int) -> int:
    """Into how many objects each bucket's items of a table go, of which all buckets together hold `size` bytes. The
    same number in every bucket makes objects of one size, for the buckets are."""
    object_bytes = max(OBJECT_BYTES, -(-size // MOST_OBJECTS))
    return max(1, -(-size // (buckets * object_bytes)))


@dataclass(frozen=True)
class ImportBucket:
    """A task; picklable. `objects`: how many there are of each table that has records. `target`: the folder of all
    objects."""

    records_folder: Place
    run_folder: Place
    bucket: int
    target: Place
    objects: Mapping[str, int]
    compression: Compression
    bear_source: frozenset[str] = frozenset()


def write_objects(task: ImportBucket) -> BucketObjects:
    """The objects, and then what tells that they are there; written again they are the same. Raises WarehouseError."""
    folder = ImportFolder(task.run_folder)
    with scratch_folder(task.run_folder, f"bucket-{task.bucket}") as scratch:
        dealt = _Dealt(scratch, task.objects, random.Random(task.bucket))  # noqa: S311 - no secret
        for rows in bucket_batches(task.records_folder, task.bucket, COLUMNS, _ROWS_AT_ONCE):
            tables = rows.column("table").to_pylist()
            for table, put in zip(tables, puts_of(rows, task.bear_source), strict=True):
                dealt.add(table, put.line())
        written = BucketObjects(
            bucket=task.bucket, objects=tuple(_write(task, table, number, lines) for table, number, lines in dealt)
        )
    folder.finish_objects(written)
    return written


def _write(task: ImportBucket, table: str, number: int, lines: list[bytes]) -> WrittenObject:
    name = f"{table}/{task.bucket:04}-{number:05}{task.compression.ending}"
    place = task.target / name
    with place.writing() as sink, _compressing(sink, task.compression) as stream:
        for start in range(0, len(lines), _LINES_AT_ONCE):
            stream.write(b"\n".join(lines[start : start + _LINES_AT_ONCE]) + b"\n")
    return WrittenObject(table=table, name=name, items=len(lines), bytes=place.size())


@contextmanager
def _compressing(sink: pa.NativeFile, compression: Compression) -> Iterator[IO[bytes]]:
    """One frame, without a time or a name in it."""
    if compression is Compression.GZIP:
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, fileobj=cast(IO[bytes], sink), mtime=0) as stream:
            yield cast(IO[bytes], stream)
    else:
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            yield cast(IO[bytes], stream)


@dataclass
class _Dealt:
    """The lines of each object, in a file of their own until all are there: a bucket can be larger than the memory.

    Iterating gives (table, number, its lines shuffled) for each object that has any.
    """

    folder: Path
    objects: Mapping[str, int]
    dice: random.Random
    _filled: dict[str, list[int]] = field(init=False)
    _held: dict[tuple[str, int], list[bytes]] = field(default_factory=dict)
    _held_bytes: int = 0

    def __post_init__(self) -> None:
        self._filled = {table: [0] * count for table, count in self.objects.items()}
        for file in self.folder.iterdir():  # of an attempt that was killed
            file.unlink()

    def add(self, table: str, line: bytes) -> None:
        number = self._emptier(self._filled[table])
        self._filled[table][number] += len(line)
        self._held.setdefault((table, number), []).append(line)
        self._held_bytes += len(line)
        if self._held_bytes > _HELD_BYTES:
            self._flush()

    def __iter__(self) -> Iterator[tuple[str, int, list[bytes]]]:
        self._flush()
        for table, filled in self._filled.items():
            for number, size in enumerate(filled):
                if size:
                    lines = self._path(table, number).read_bytes().split(b"\n")[:-1]
                    self.dice.shuffle(lines)
                    yield table, number, lines

    def _emptier(self, filled: list[int]) -> int:
        """Of two at random: so all grow alike, however unlike the items are in size."""
        one, other = self.dice.randrange(len(filled)), self.dice.randrange(len(filled))
        return one if filled[one] <= filled[other] else other

    def _flush(self) -> None:
        with disk_errors(self.folder, "written"):
            for (table, number), lines in self._held.items():
                with self._path(table, number).open("ab") as file:
                    file.write(b"\n".join(lines) + b"\n")
        self._held, self._held_bytes = {}, 0

    def _path(self, table: str, number: int) -> Path:
        """Not by the table's name, which can be as long as a file's name may be."""
        return self.folder / f"{list(self._filled).index(table)}-{number}"
