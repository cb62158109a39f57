"""Who holds a lock, and whether a process of this machine still lives."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from pipelines.errors import StageError

STALE_SECONDS = 60.0


@dataclass(frozen=True)
class Owner:
    """`run_id` is what others are told; it can change, and the owner is the same."""

    run_id: str = field(compare=False)
    host: str
    pid: int
    started: str  # tells a process from a later one with the same pid
    token: str = ""
    kernel: str = ""  # whose pids these are; hosts can share a name

    @classmethod
    def this_process(cls, run_id: str) -> Owner:
        pid = os.getpid()
        return cls(run_id, socket.gethostname(), pid, _start_of(pid), secrets.token_hex(8), _kernel())

    @classmethod
    def parse(cls, text: str | bytes) -> Owner | None:
        """None where that is no owner."""
        try:
            content = json.loads(text)
            return cls(**{name.name: content[name.name] for name in fields(cls) if name.name in content})
        except (ValueError, TypeError):
            return None

    def text(self, beat: int = 0) -> str:
        """`beat` makes the text of each heartbeat another one."""
        return json.dumps({**asdict(self), "beat": beat})

    def lives(self, beat_seconds_ago: float) -> bool:
        """A process of this machine is looked up; of any other the last heartbeat decides, whose age is to be told
        by the clock of the disk or of S3: the machines' own may differ."""
        if self.kernel == _kernel() != "":
            return _start_of(self.pid) == self.started != ""
        return beat_seconds_ago < STALE_SECONDS

    def refusal(self, stage: str) -> StageError:
        return StageError(
            f"{stage}: run {self.run_id} is under way (process {self.pid} on {self.host}); wait for it or stop it first"
        )


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
