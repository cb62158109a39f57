"""Where something of the warehouse lies: a folder or a file, on this machine's disk or in S3.

The rest of Crossover reads and writes the warehouse through `Place` only. What it promises is the same for both: a
file appears whole under its name or not at all, names that begin with `.` are unfinished and are never listed, and
whatever goes wrong is a WarehouseError in one line.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType

import pyarrow as pa
from pyarrow import fs

from pipelines.errors import UsageError, WarehouseError

S3_SCHEME = "s3://"
_OTHER_SCHEME = re.compile(r"(?i:s3:)/|[A-Za-z][A-Za-z0-9+.-]*://")  # as a path, a folder `S3:` on this machine


class MissingError(WarehouseError):
    """There is no such file."""


class Writing(AbstractContextManager[pa.NativeFile]):
    """A file that is being written: into `sink`, until `commit` gives it its name or `abort` forgets it.

    As a context manager it commits at the end of a block that succeeded and aborts otherwise. A process that dies
    in between, however it does, leaves nothing under the name.
    """

    sink: pa.NativeFile

    @abstractmethod
    def commit(self) -> None:
        """Raises WarehouseError; then nothing stands under the name that did not before."""

    @abstractmethod
    def abort(self) -> None:
        """Never raises. Without effect after `commit`."""

    def __enter__(self) -> pa.NativeFile:
        return self.sink

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.commit()
        else:
            self.abort()


class Place(ABC):
    """An address in the warehouse; frozen, hashable, picklable, and nothing but an address: a task on another
    machine that is sent one finds the way there by its own environment. `str(place)` is what messages show.

    All methods raise WarehouseError, and those that read one file MissingError where there is none.
    """

    @staticmethod
    def of(address: str | Path | Place) -> Place:
        """A path of this machine, or `s3://bucket/prefix`. Raises UsageError where that names no bucket, and for
        every other kind of URL."""
        from pipelines.warehouse.local_place import LocalPlace

        if isinstance(address, Place):
            return address
        if isinstance(address, str) and address.startswith(S3_SCHEME):
            from pipelines.warehouse.s3_place import S3Place  # boto3 takes a while, and is for this alone

            return S3Place.parse(address)
        if isinstance(address, str) and _OTHER_SCHEME.match(address):
            raise UsageError(f"{address}: neither a folder nor S3; give a path, or `s3://bucket/prefix`")
        return LocalPlace(Path(address).absolute())

    @abstractmethod
    def __truediv__(self, name: str) -> Place:
        """`name` may have several parts, `public.orders/part-00000.parquet`."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def parent(self) -> Place: ...

    @property
    @abstractmethod
    def local(self) -> Path | None:
        """The path, where it is on a disk."""

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    @abstractmethod
    def is_file(self) -> bool: ...

    @abstractmethod
    def is_dir(self) -> bool:
        """In S3 a folder is there as long as something is in it."""

    @abstractmethod
    def children(self) -> list[Place]:
        """Folders and files just below, by name; none where the folder is missing."""

    @abstractmethod
    def files(self, suffix: str = "") -> list[Place]:
        """Files just below whose name ends so, by name; none where the folder is missing."""

    @abstractmethod
    def size(self) -> int:
        """Of the file, in bytes."""

    @abstractmethod
    def changed_at(self) -> datetime | None:
        """When the file, or what is in the folder, was last written, by the clock of the disk or of S3; in S3 the
        full second. None where there is nothing."""

    @abstractmethod
    def read_bytes(self) -> bytes: ...

    def read_text(self) -> str:
        """As UTF-8; what is none becomes U+FFFD."""
        return self.read_bytes().decode("utf-8", errors="replace")

    @abstractmethod
    def open_input(self) -> pa.NativeFile:
        """For reading anywhere in the file. A context manager."""

    @abstractmethod
    def in_arrow(self) -> tuple[fs.FileSystem, str]:
        """The file system, and the path in it, for what Arrow reads by itself."""

    @abstractmethod
    def writing(self, *, durable: bool = False) -> Writing:
        """`with place.writing() as sink:` writes the file, whatever its size, in bounded memory, replacing an
        earlier one. The folders above it come into being. `durable`: a power cut after the end does not undo it; in
        S3 that is always so."""

    def write_atomically(self, content: bytes | str) -> None:
        """A small file at once, and durably."""
        with self.writing(durable=True) as sink:
            sink.write(content.encode() if isinstance(content, str) else content)

    @abstractmethod
    def make_folder(self) -> None:
        """With those above it, readable by their owner only. In S3 nothing is to be done."""

    @abstractmethod
    def remove(self) -> None:
        """The file; it may be missing."""

    @abstractmethod
    def remove_unfinished(self) -> None:
        """What attempts at writing this file that were killed have left on a disk."""

    @abstractmethod
    def remove_tree(self) -> None:
        """The folder with all that is in it, unfinished files too; it may be missing."""
