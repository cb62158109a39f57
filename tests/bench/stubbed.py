"""A stub in a process of its own: prints its URL, serves until its standard input ends, then prints what it served."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def stubbed(command: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Its URL and, after the block, what it has served."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    assert process.stdout is not None
    served: list[str] = []
    try:
        yield process.stdout.readline().strip(), served
    finally:
        served.append(process.communicate()[0])
