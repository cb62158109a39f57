"""Measures one case in a process of its own: wall time, processor time and peak memory of all its processes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.1  # each one holds up the process that it looks at
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measurement:
    name: str
    seconds: float
    cpu_seconds: float  # of all, where the process waited for them; of the others as last sampled
    peak_mb: float  # proportional set size of the process and its descendants, sampled
    said: str  # the last line that it printed


def measure(
    name: str, command: Sequence[str], environment: dict[str, str] | None = None, sampled: bool = True
) -> Measurement:
    """Runs the command to its end; unless `sampled`, nothing else is done meanwhile, and the peak is not known (0).

    Raises RuntimeError with its last words where it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    samples = Samples(process.pid) if sampled else None
    out, err = process.communicate()
    seconds = time.perf_counter() - started
    if samples is not None:
        samples.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        raise RuntimeError(f"{name}: exit {process.returncode}: {err.strip()[-500:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = out.strip().splitlines()
    sampled_cpu, peak = (0.0, 0.0) if samples is None else (samples.cpu_seconds, samples.peak_mb)
    return Measurement(name, seconds, max(cpu, sampled_cpu), peak, lines[-1] if lines else "")


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


class Samples:
    def __init__(self, root: int) -> None:
        self.peak_mb = 0.0
        self._root = root
        self._cpu: dict[int, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def cpu_seconds(self) -> float:
        return sum(self._cpu.values())

    def _sample(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            tree = _tree(self._root)
            self._cpu.update((pid, seconds) for pid in tree if (seconds := _cpu_seconds(pid)))
            self.peak_mb = max(self.peak_mb, sum(_pss_kb(pid) for pid in tree) / 1024)


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text(encoding="ascii").split()]
            except OSError:
                continue
    return found


def _pss_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
