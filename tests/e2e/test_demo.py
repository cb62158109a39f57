"""`crossover demo` from outside: the whole story, and nothing left behind however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import CROSSOVER, CommandLine

pytestmark = pytest.mark.e2e


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder, or that were started in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                inside = str((entry / "cwd").readlink()).startswith(str(folder))
            except OSError:
                continue
            if command and (str(folder) in command or inside):
                found.append(command)
    return found


def wait_until_gone(folder: Path, seconds: float = 20) -> list[str]:
    deadline = time.monotonic() + seconds
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def test_finds_exactly_the_planted_faults(bare: CommandLine) -> None:
    done = bare("demo", "--scale", "0.05", "--folder", bare.folder / "demo", "--json")
    assert done.status == 0, done.err
    story = done.document
    assert story["planted"] == story["found"] > 0
    assert story["records"] == story["written"] > 0
    assert Path(story["report"]).is_file()
    assert wait_until_gone(bare.folder) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_demo_leaves_no_process(bare: CommandLine, how: signal.Signals) -> None:
    process = subprocess.Popen(
        [*CROSSOVER, "demo", "--scale", "0.05", "--folder", str(bare.folder / "demo")],
        env=dict(bare.environment),
        cwd=bare.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:  # both servers are up, and Spark is at work
        if "snapshot" in line:
            break
    time.sleep(3)
    ports = listening_ports(process.pid)
    assert ports
    process.send_signal(how)
    process.wait(60)
    process.stderr.close()
    assert wait_until_gone(bare.folder) == []
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def listening_ports(root: int) -> set[int]:
    """Ports on which the process and its descendants listen: proc(5), net/tcp."""
    inodes = {
        link.rpartition("[")[2].rstrip("]")
        for pid in descendants(root)
        for link in open_files(pid)
        if link.startswith("socket:")
    }
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes}


def open_files(pid: int) -> list[str]:
    try:
        return [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


def descendants(root: int) -> list[int]:
    found = [root]
    for pid in found:
        children = Path(f"/proc/{pid}/task/{pid}/children")
        if children.exists():
            found += [int(child) for child in children.read_text().split()]
    return found
