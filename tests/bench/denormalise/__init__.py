"""1M orders, 4M lines and 100k customers become records, beside DuckDB's query for the same items."""

from __future__ import annotations

import json
import os
import tempfile

from tests.bench.denormalise.data import Size, make
from tests.bench.measure import Measurement, measure, module
from tests.bench.table import ratio, render

SIZE = Size(orders=1_000_000, customers=100_000)


def run() -> str:
    """Raises RuntimeError where the digests differ."""
    with tempfile.TemporaryDirectory(prefix="crossover-bench-") as warehouse:
        os.environ["CROSSOVER_WAREHOUSE"] = warehouse
        make(SIZE)
        cases = [
            measure(name, module(f"tests.bench.denormalise.by_{name.lower()}"), dict(os.environ))
            for name in ("DuckDB", "Crossover")
        ]
    said = [json.loads(case.said) for case in cases]
    if len({one["digest"] for one in said}) != 1:
        raise RuntimeError(f"the items differ: {', '.join(one['digest'] for one in said)}")
    rows = [_row(case, one["seconds"], said[0]["seconds"]) for case, one in zip(cases, said, strict=True)]
    title = f"denormalise: {SIZE.orders:,} orders, warm, without the session's start; {said[0]['digest']}"
    return render(title, ["", "seconds", "ratio", "peak MB"], rows)


def _row(case: Measurement, seconds: float, base: float) -> list[str]:
    return [case.name, f"{seconds:.1f}", ratio(seconds, base), f"{case.peak_mb:.0f}"]
