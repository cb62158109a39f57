"""Capture: what it costs a writer, and with `--minutes` how the ledger grows under a steady load."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.bench.capture import cost, growth


def run(minutes: float = 0.0) -> str:
    """`minutes`: the load goes on so long; 0: the cost alone."""
    if minutes:
        return growth.run(minutes)
    with tempfile.TemporaryDirectory(prefix="crossover-bench-") as name:
        return cost.run(Path(name))
