"""1M orders, 4M lines and 100k customers become records, beside DuckDB's query for the same records."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from tests.bench.denormalise.data import Size, make
from tests.bench.measure import Measurement, measure, module
from tests.bench.table import ratio, render

ORDERS = 1_000_000
ORDERS_PER_CUSTOMER = 10


def run(orders: int = ORDERS, prepared: Path | None = None) -> str:
    """`prepared`: a folder that keeps the snapshot for the next run. Raises RuntimeError where the records differ."""
    if prepared is not None:
        return _run(orders, prepared)
    with tempfile.TemporaryDirectory(prefix="crossover-bench-") as folder:
        return _run(orders, Path(folder))


def _run(orders: int, folder: Path) -> str:
    os.environ["CROSSOVER_WAREHOUSE"] = str(folder / f"{orders}-orders")
    make(Size(orders=orders, customers=orders // ORDERS_PER_CUSTOMER))
    cases = [
        measure(name, module(f"tests.bench.denormalise.by_{name.lower()}"), dict(os.environ))
        for name in ("DuckDB", "Crossover")
    ]
    said = [json.loads(case.said) for case in cases]
    if len({one["digest"] for one in said}) != 1:
        raise RuntimeError(f"the records differ: {', '.join(one['digest'] for one in said)}")
    rows = [_row(case, one["seconds"], said[0]["seconds"]) for case, one in zip(cases, said, strict=True)]
    title = f"denormalise: {orders:,} orders, warm, without the session's start; {said[0]['digest']}"
    return render(title, ["", "seconds", "ratio", "peak MB"], rows)


def _row(case: Measurement, seconds: float, base: float) -> list[str]:
    return [case.name, f"{seconds:.1f}", ratio(seconds, base), f"{case.peak_mb:.0f}"]
