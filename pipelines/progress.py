"""Progress on stderr: a count, a rate and the time that remains. Quiet when stderr is no terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from pipelines.logs import say


def tell(line: str) -> None:
    """Says one thing that the user should know, on stderr, terminal or not."""
    say(line)


def rewrite_line(text: str, stream: TextIO | None = None) -> None:
    """In place of the terminal's last line; nothing where there is no terminal. An empty text clears it."""
    stream = stream or sys.stderr
    if stream.isatty():
        stream.write(f"\r\x1b[K{text}")
        stream.flush()


class Progress:
    """One line that is rewritten at most ten times a second.

    `total` is in `unit`s; None where it is not known. Used as a context manager it ends the line.
    """

    def __init__(self, what: str, total: int | None, unit: str, stream: TextIO | None = None) -> None:
        self.what = what
        self.total = total
        self.unit = unit
        self.done = 0
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._started = time.monotonic()
        self._last = 0.0

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self._started

    def advance(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if self._shown and now - self._last >= 0.1:
            self._last = now
            self._stream.write(f"\r\x1b[K{self.line(now - self._started)}")
            self._stream.flush()

    def line(self, elapsed_seconds: float) -> str:
        rate = self.done / elapsed_seconds if elapsed_seconds > 0 else 0.0
        if self.total is None:
            return f"{self.what}: {self.done:,} {self.unit}, {rate:,.0f}/s"
        so_far = f"{self.what}: {self.done:,} of {self.total:,} {self.unit}"
        if not rate:
            return so_far  # nobody knows yet for how long
        remaining = max(self.total - self.done, 0) / rate
        return f"{so_far}, {rate:,.0f}/s, {int(remaining // 60)}:{int(remaining % 60):02d} left"

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._stream.write(f"\r\x1b[K{self.line(time.monotonic() - self._started)}\n")
            self._stream.flush()
