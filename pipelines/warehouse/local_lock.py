"""A lock on a disk: a file that is linked into place, so that of two starters one wins."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.errors import StageError
from pipelines.warehouse.local_place import disk_errors
from pipelines.warehouse.lock_owner import Owner


@dataclass(frozen=True)
class LocalLock:
    path: Path
    owner: Owner

    @classmethod
    def take(cls, path: Path, owner: Owner, stage: str) -> LocalLock:
        """Raises StageError, naming the run that holds it."""
        with disk_errors(path, "written"), _one_starter(path.parent):
            _acquire(path, owner, stage)
        return cls(path, owner)

    def beat(self) -> None:
        """What does not come through is tried again by the next one. Another's heart is left to itself."""
        with contextlib.suppress(OSError):
            if _owner(self.path) == self.owner:
                os.utime(self.path)

    def rename(self, run_id: str) -> None:
        """Others are told this one from now on. What does not come through leaves the name as it was."""
        claim = _claim(self.path, self.owner)
        with contextlib.suppress(OSError):
            if run_id != self.owner.run_id and _owner(self.path) == self.owner:
                claim.write_text(replace(self.owner, run_id=run_id).text(), encoding="utf-8")
                claim.replace(self.path)

    def release(self) -> None:
        with contextlib.suppress(OSError):  # it goes stale; the run's own outcome must not be lost over it
            if _owner(self.path) == self.owner:
                self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _one_starter(folder: Path) -> Iterator[None]:
    """Of those who would clear away a stale lock; it ends with the process. Some network file systems lack it."""
    with (folder / ".starters").open("wb") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _acquire(path: Path, owner: Owner, stage: str) -> None:
    claim = _claim(path, owner)
    try:
        claim.write_text(owner.text(), encoding="utf-8")
        for _ in range(10):
            try:
                os.link(claim, path)
                return
            except FileExistsError:
                holder = _owner(path)
                if holder is not None and holder.lives(_seconds_between(path, claim)):
                    raise holder.refusal(stage) from None
                _remove_stale(path, holder, owner)
        raise StageError(f"{path}: could not be locked; another run keeps taking it")
    finally:
        claim.unlink(missing_ok=True)


def _claim(path: Path, owner: Owner) -> Path:
    return path.with_name(f".{path.name}.{owner.token}")


def _remove_stale(path: Path, holder: Owner | None, owner: Owner) -> None:
    """Moves the stale lock aside; if a new owner came between, puts that one's back."""
    aside = path.with_name(f".{path.name}.stale.{owner.token}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if _owner(aside) != holder:
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink(missing_ok=True)


def _owner(path: Path) -> Owner | None:
    try:
        return Owner.parse(path.read_bytes())
    except FileNotFoundError:
        return None


def _seconds_between(path: Path, claim: Path) -> float:
    """How long ago the lock was touched; `claim` was written just now, in the same folder."""
    try:
        return claim.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
