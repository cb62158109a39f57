"""`crossover demo` from outside: the whole story, and nothing left behind however it ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import CROSSOVER, CommandLine, Finished, bare_environment
from tests.torture import TORTURE

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]


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


@dataclass(frozen=True)
class Demo:
    """A finished demo in the folder where its user stood."""

    user: CommandLine
    finished: Finished


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    user = CommandLine(bare_environment(), tmp_path_factory.mktemp("user"))
    (user.folder / ".venv").symlink_to(sys.prefix)
    return Demo(user, user("demo", "--scale", "0.05"))


def test_finds_exactly_the_planted_faults(demo: Demo) -> None:
    assert demo.finished.status == 0, demo.finished.err
    assert "Differences found: exactly the planted ones" in demo.finished.out
    assert wait_until_gone(demo.user.folder) == []


def test_leads_to_its_report(demo: Demo) -> None:
    (line,) = [line for line in demo.finished.out.splitlines() if line.startswith("Report:")]
    assert Path(line.removeprefix("Report:").strip()).is_file()


def test_the_readme_shows_what_it_says(demo: Demo) -> None:
    shown = [without_numbers(line) for line in block("text", "made the shop").splitlines() if line.startswith("  ")]
    said = [without_numbers(line) for line in demo.finished.err.splitlines() if line.strip()]
    assert said == shown[: len(said)]
    assert len(said) > 5


def test_the_readmes_table_of_your_own(demo: Demo) -> None:
    server = demo.user.start("demo", "--serve")
    try:
        await_file(demo.user.folder / ".crossover" / "demo" / "environment.sh", server)
        done = subprocess.run(
            ["bash", "-euc", block("sh", "wishlists.yaml")],
            env=dict(demo.user.environment),
            cwd=demo.user.folder,
            capture_output=True,
            text=True,
            timeout=500,
        )
    finally:
        server.terminate()
        server.communicate()
    assert done.returncode == 0, done.stderr
    assert "500 match" in " ".join(done.stdout.split()) or "consistent" in done.stdout.lower()
    assert "NOT" not in done.stdout
    assert wait_until_gone(demo.user.folder) == []


def block(language: str, containing: str) -> str:
    """The README's fenced block of a language that holds a text."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (found,) = [one for one in blocks if containing in one]
    return str(found)


def without_numbers(line: str) -> str:
    return re.sub(r"\d{8}T[0-9a-f.-]+|[\d,]*\d", "N", line).strip()


def await_file(path: Path, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert server.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)


ENDS = [("crossover", signal.SIGINT), ("make", signal.SIGKILL)]
MORE_ENDS = [("crossover", signal.SIGKILL), ("crossover", signal.SIGTERM)]


@pytest.mark.parametrize(("starter", "how"), [*ENDS, *(MORE_ENDS if TORTURE else [])])
def test_a_killed_demo_leaves_no_process(bare: CommandLine, starter: str, how: signal.Signals) -> None:
    folder = bare.folder / "demo"
    commands = {
        "crossover": [*CROSSOVER, "demo", "--scale", "0.05", "--folder", str(folder)],
        "make": ["make", "-C", str(REPOSITORY), "demo", "SCALE=0.05", f"FOLDER={folder}"],
    }
    process = subprocess.Popen(
        commands[starter],
        env=dict(bare.environment),
        cwd=bare.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:  # both servers are up, and Spark is at work
            if "took snapshot" in line:
                break
        time.sleep(3)
        assert process.poll() is None
        ports = listening_ports(process.pid)
        assert len(ports) >= 2
        process.send_signal(how)
        process.wait(60)
    finally:
        process.kill()
        process.communicate()
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
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in children.read_text().split()]
    return found
