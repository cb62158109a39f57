"""One way to compare, in a process of its own that waits for its turn.

The process says a line once it is ready, and then, for each line that it is sent (the dump's id), one JSON line: the
seconds it took and what it counted. So ways take turns, and whatever else the machine does hits all of them alike.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from tests.bench.measure import Samples, module

Counts = dict[str, int]
"""Of match, differ, missing, extra."""


@dataclass(frozen=True)
class Round:
    seconds: float
    counts: Counts


@dataclass
class Contestant:
    """A context manager: the process lives within it. `name`: the module `by_<name>`."""

    name: str
    start_seconds: float = 0.0
    _process: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> Contestant:
        started = time.perf_counter()
        self._process = subprocess.Popen(
            module(f"tests.bench.diff.by_{self.name}"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._line()
        self.start_seconds = time.perf_counter() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def round(self, dump: str) -> Round:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{dump}\n")
        self._process.stdin.flush()
        said = json.loads(self._line())
        return Round(said["seconds"], said["counts"])

    def peak_mb(self, dump: str) -> float:
        """Of one more round. To look costs time, so that it is none of those that count."""
        samples = Samples(self._process.pid)
        try:
            self.round(dump)
        finally:
            samples.stop()
        return samples.peak_mb

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: exit {self._process.wait()}; its last words are above")
        return line


def serve(compare: Callable[[str], Counts]) -> None:
    """The process's side: a round for each dump that is asked for, until there are no more."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        started = time.perf_counter()
        counts = compare(line.strip())
        said = {"seconds": time.perf_counter() - started, "counts": counts}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


def sides(dump: str) -> tuple[str, str]:
    """The patterns of the source's and of the target's files."""
    from pipelines.migration import Migration
    from tests.bench.diff.data import MAPPING
    from tests.on_disk import on_disk

    folder = Migration.open(MAPPING).folder
    return tuple(  # type: ignore[return-value]
        f"{on_disk(place)}/records/*/*.parquet" for place in (folder.records(dump.split("-")[0]), folder.dump(dump))
    )
