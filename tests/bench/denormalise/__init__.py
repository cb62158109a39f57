"""1M orders, 4M lines and 100k customers become records, beside DuckDB's query for the same records."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.denormalise.data import Size, make
from tests.bench.measure import measure, module
from tests.bench.table import ratio, render

ORDERS = 1_000_000
ORDERS_PER_CUSTOMER = 10
TRIES = 3


def run(orders: int = ORDERS, prepared: Path | None = None) -> str:
    """`prepared`: a folder that keeps the snapshot for the next run. Raises RuntimeError where the records differ."""
    if prepared is not None:
        return _run(orders, prepared)
    with tempfile.TemporaryDirectory(prefix="crossover-bench-") as folder:
        return _run(orders, Path(folder))


def _run(orders: int, folder: Path) -> str:
    os.environ["CROSSOVER_WAREHOUSE"] = str(folder / f"{orders}-orders")
    make(Size(orders=orders, customers=orders // ORDERS_PER_CUSTOMER))
    cases = [_Case("DuckDB"), _Case("Crossover")]
    for _ in range(TRIES):
        for case in cases:
            case.run()
    for case in cases:
        case.run(sampled=True)
    digests = {digest for case in cases for digest in case.digests}
    if len(digests) != 1:
        raise RuntimeError(f"the records differ: {', '.join(sorted(digests))}")
    title = f"denormalise: {orders:,} orders, warm, without the session's start; {digests.pop()}"
    return render(title, ["", "seconds", "from - to", "ratio", "peak MB"], [case.cells(cases[0]) for case in cases])


@dataclass
class _Case:
    """The cases take turns, and of each the median counts; to see how much memory it takes slows a case down, so one
    more run is for that."""

    name: str
    seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    digests: set[str] = field(default_factory=set)

    def run(self, sampled: bool = False) -> None:
        command = module(f"tests.bench.denormalise.by_{self.name.lower()}")
        done = measure(self.name, command, dict(os.environ), sampled)
        said = json.loads(done.said)
        if sampled:
            self.peak_mb = done.peak_mb
        else:
            self.seconds.append(said["seconds"])
        self.digests.add(said["digest"])

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def cells(self, base: _Case) -> list[str]:
        return [
            self.name,
            f"{self.median:.1f}",
            f"{min(self.seconds):.1f} - {max(self.seconds):.1f}",
            ratio(self.median, base.median),
            f"{self.peak_mb:.0f}",
        ]
