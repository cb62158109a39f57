"""Places on a disk."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from types import TracebackType

import pyarrow as pa
from pyarrow import fs

from pipelines.errors import WarehouseError
from pipelines.warehouse.place import MissingError, Place, Writing

_DISK_PROBLEMS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


@dataclass(frozen=True)
class LocalPlace(Place):
    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> LocalPlace:
        return LocalPlace(self.path / name)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def parent(self) -> LocalPlace:
        return LocalPlace(self.path.parent)

    @property
    def local(self) -> Path:
        return self.path

    def is_file(self) -> bool:
        return self.path.is_file()

    def is_dir(self) -> bool:
        return self.path.is_dir()

    def children(self) -> list[Place]:
        return [LocalPlace(self.path / name) for name in self._names()]

    def files(self, suffix: str = "") -> list[Place]:
        named = (self.path / name for name in self._names() if name.endswith(suffix))
        return [LocalPlace(path) for path in named if path.is_file()]

    def size(self) -> int:
        with disk_errors(self.path, "read"):
            return self.path.stat().st_size

    def changed_at(self) -> datetime | None:
        with disk_errors(self.path, "read"):
            newest = max(_times(self.path), default=None)
        return None if newest is None else datetime.fromtimestamp(newest, UTC)

    def read_bytes(self) -> bytes:
        with disk_errors(self.path, "read"):
            return self.path.read_bytes()

    def open_input(self) -> pa.NativeFile:
        with disk_errors(self.path, "read"):
            return pa.OSFile(str(self.path), "rb")

    def in_arrow(self) -> tuple[fs.FileSystem, str]:
        return fs.LocalFileSystem(), str(self.path)

    def writing(self, *, durable: bool = False) -> Writing:
        self.parent.make_folder()
        return _LocalWriting(self.path, durable)

    def make_folder(self) -> None:
        with disk_errors(self.path, "written"):
            make_private(self.path)

    def remove(self) -> None:
        with disk_errors(self.path, "removed"):
            self.path.unlink(missing_ok=True)

    def remove_unfinished(self) -> None:
        with disk_errors(self.path, "removed"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in os.listdir(self.path.parent):  # noqa: PTH208 (names)
                if name.startswith(f".{self.name}."):
                    (self.path.parent / name).unlink(missing_ok=True)

    def remove_tree(self) -> None:
        with disk_errors(self.path, "removed"), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def _names(self) -> list[str]:
        with disk_errors(self.path, "read"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return sorted(name for name in os.listdir(self.path) if not name.startswith("."))  # noqa: PTH208 (names)
        return []


class _LocalWriting(Writing):
    """Under a hidden name of its own in the same folder until it is whole."""

    def __init__(self, path: Path, durable: bool) -> None:
        self._path = path
        self._durable = durable
        self._hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with disk_errors(path, "written"):
            self.sink = pa.OSFile(str(self._hidden), "wb")

    def commit(self) -> None:
        try:
            with disk_errors(self._path, "written"):
                self.sink.close()
                if self._durable:
                    _sync(self._hidden)
                self._hidden.replace(self._path)
                if self._durable:
                    with contextlib.suppress(OSError):  # not every file system can
                        _sync(self._path.parent)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        with contextlib.suppress(OSError, pa.ArrowException):
            self.sink.close()
        with contextlib.suppress(OSError):
            self._hidden.unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if isinstance(error, OSError) and error.errno in _DISK_PROBLEMS:
            raise cannot(self._path, "written", error) from error


@contextlib.contextmanager
def disk_errors(path: Path, done: str) -> Iterator[None]:
    """Turns the operating system's errors inside it into WarehouseError. `done` is `read`, `written`, `removed`."""
    try:
        yield
    except FileNotFoundError:
        raise MissingError(f"{path}: missing") from None
    except OSError as error:
        raise cannot(path, done, error) from error


def cannot(path: Path, done: str, error: OSError) -> WarehouseError:
    """Arrow's own text repeats itself; the number says it all."""
    reason = os.strerror(error.errno) if error.errno else "input/output error"
    return WarehouseError(f"{path}: cannot be {done} ({reason})")


def make_private(folder: Path) -> None:
    """mkdir(parents=True) would make the folders above with the umask's mode."""
    if folder.is_dir():
        return
    make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def _times(path: Path) -> Iterator[float]:
    """When `path` and all that is in it were last written; what goes away meanwhile is left out."""
    below = (Path(folder) / name for folder, folders, files in os.walk(path) for name in (*folders, *files))
    for one in chain((path,), below):
        with contextlib.suppress(FileNotFoundError):
            yield one.lstat().st_mtime


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
