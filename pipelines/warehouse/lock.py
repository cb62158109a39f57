"""One run a migration and stage at a time.

The lock is a file that is linked into place, so that of two starters one wins; it names its owner. A lock whose
owner has died on this machine is taken over; one that another machine or container holds is stale only once its
heartbeat is older than STALE_SECONDS, by the clock of the file system: the machines' own may differ.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.errors import StageError

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 60.0


@dataclass(frozen=True)
class Owner:
    run_id: str
    host: str
    pid: int
    started: str  # tells a process from a later one with the same pid
    token: str = ""
    kernel: str = ""  # whose pids these are; hosts can share a name

    @classmethod
    def this_process(cls, run_id: str) -> Owner:
        pid = os.getpid()
        return cls(run_id, socket.gethostname(), pid, _start_of(pid), secrets.token_hex(8), _kernel())


@contextlib.contextmanager
def stage_lock(migration_root: Path, stage: str, run_id: str) -> Iterator[None]:
    """Holds `<migration>/locks/<stage>.lock`. Raises StageError, naming the run that holds it."""
    folder = migration_root / "locks"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{stage}.lock"
    owner = Owner.this_process(run_id)
    with _one_starter(folder):
        _acquire(path, owner, stage)
    stop = threading.Event()
    beat = threading.Thread(target=_heartbeat, args=(path, stop), daemon=True, name=f"{stage}-lock-heartbeat")
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        if _owner(path) == owner:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _one_starter(folder: Path) -> Iterator[None]:
    """Of those who would clear away a stale lock; it ends with the process. Some network file systems lack it."""
    with (folder / ".starters").open("wb") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _acquire(path: Path, owner: Owner, stage: str) -> None:
    claim = path.with_name(f".{path.name}.{owner.token}")
    try:
        claim.write_text(json.dumps(asdict(owner)), encoding="utf-8")
        for _ in range(10):
            try:
                os.link(claim, path)
                return
            except FileExistsError:
                holder = _owner(path)
                if holder is not None and _alive(holder, path, claim):
                    raise StageError(
                        f"{stage}: run {holder.run_id} is under way (process {holder.pid} on {holder.host}); "
                        "wait for it or stop it first"
                    ) from None
                _remove_stale(path, holder, owner)
        raise StageError(f"{path}: could not be locked; another run keeps taking it")
    finally:
        claim.unlink(missing_ok=True)


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
        return Owner(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _alive(holder: Owner, path: Path, claim: Path) -> bool:
    """`claim`: a file that was written just now, in the same folder."""
    if holder.kernel == _kernel() != "":
        return _start_of(holder.pid) == holder.started != ""
    try:
        return claim.stat().st_mtime - path.stat().st_mtime < STALE_SECONDS
    except FileNotFoundError:
        return False


def _kernel() -> str:
    """This boot of this machine, and the namespace of our pids in it; '' where it has no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """The start time of a living process in clock ticks since boot (proc(5), field 22); else ''."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _heartbeat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
