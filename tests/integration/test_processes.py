"""What `crossover ui` asks the kernel about processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagster_defs.processes import has_living_child, kill_all_with

pytestmark = pytest.mark.integration

PARENT = """
import os, subprocess, sys, threading
def bear():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    print(child.pid, flush=True)
    threading.Event().wait()
threading.Thread(target=bear, daemon=True).start()
input()
"""
"""Has a child that another thread than the first has started, and never asks how it is."""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    marked = {**os.environ, "MARK": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=marked
    ) as process:
        yield process
        process.kill()


def child_of(parent: subprocess.Popen[bytes]) -> int:
    assert parent.stdout is not None
    return int(parent.stdout.readline())


def test_a_child_that_has_ended_is_no_living_child(parent: subprocess.Popen[bytes]) -> None:
    child = child_of(parent)
    assert has_living_child(parent.pid)
    os.kill(child, 9)
    while Path(f"/proc/{child}/stat").read_text(encoding="ascii").split()[2] != "Z":
        pass
    assert not has_living_child(parent.pid)


def test_what_has_the_mark_is_killed_with_what_it_has_started(parent: subprocess.Popen[bytes], tmp_path: Path) -> None:
    child = child_of(parent)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={**os.environ, "MARK": f"{tmp_path}2"}
    ) as other:
        assert kill_all_with("MARK", str(tmp_path)) == sorted([parent.pid, child])
        assert parent.wait() == -9
        assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()
        assert other.poll() is None
        other.kill()


def test_it_does_not_kill_itself(tmp_path: Path) -> None:
    script = (
        "import os; from dagster_defs.processes import kill_all_with; print(kill_all_with('MARK', os.environ['MARK']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "MARK": str(tmp_path)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
