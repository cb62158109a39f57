"""The processes of this machine, as proc(5) tells of them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_POLL_SECONDS = 0.1
_MOST_SECONDS = 10.0
_PROC = Path("/proc")


def has_living_child(pid: int) -> bool:
    """May be wrong for a moment where a child ends meanwhile. True of a kernel that does not list children."""
    listed = list(_PROC.glob(f"{pid}/task/*/children"))
    children: list[str] = []
    for one in listed:
        with contextlib.suppress(OSError):
            children += one.read_text(encoding="ascii").split()
    return not listed or any(_is_alive(int(child)) for child in children)


def kill_all_with(name: str, value: str) -> list[int]:
    """Kills those, except this one, that were started with this variable in their environment, and gives their ids
    once they are gone, or cannot be killed at once. What belongs to another user is not seen."""
    killed: set[int] = set()
    ends_at = time.monotonic() + _MOST_SECONDS
    while (found := set(_started_with(name, value))) and time.monotonic() < ends_at:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed |= found
        time.sleep(_POLL_SECONDS)
    return sorted(killed)


def _started_with(name: str, value: str) -> Iterator[int]:
    mark = f"\0{name}={value}\0".encode()
    for pid in (int(folder.name) for folder in _PROC.glob("[0-9]*")):
        if pid != os.getpid() and mark in b"\0" + _environment(pid) and _is_alive(pid):
            yield pid


def _environment(pid: int) -> bytes:
    try:
        return (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return b""


def _is_alive(pid: int) -> bool:
    try:
        return (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
