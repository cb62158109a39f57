"""5M × 5M records are compared: Crossover's diff beside DuckDB's full outer join of all columns on the same files.

Beside them Spark's own join and, where it is installed, datacompy. All are in processes of their own that have started
before; the ways take turns, and of each the median counts. The first round of each, in which files come from the disk
and Java compiles, does not. A round whose counts are not those that were planted ends the benchmark.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.diff.contestant import Contestant
from tests.bench.diff.data import FEW, MANY, Faults, make
from tests.bench.table import ratio, render

ROWS = 5_000_000
ROUNDS = 5
SLOW_ROUNDS = 1
DATACOMPY_ROWS = 1_000_000  # pandas holds both sides, and copies of them

HEADER = ["", "records a side", "differ", "seconds", "from - to", "ratio", "start", "peak MB"]


@dataclass
class Case:
    name: str
    way: Contestant
    rows: int
    faults: Faults
    seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    def round(self, counts: bool = True) -> None:
        """Raises RuntimeError where it does not find what was planted."""
        done = self.way.round(make(self.rows, self.faults))
        planted = self.faults.counts(self.rows)
        if {name: done.counts.get(name, 0) for name in planted} != planted:
            raise RuntimeError(f"{self.name}: found {done.counts}, planted {planted}")
        if counts:
            self.seconds.append(done.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def cells(self, base: float) -> list[str]:
        return [
            self.name,
            f"{self.rows:,}",
            f"{self.faults.in_a_million / 10_000:g} %",
            f"{self.median:.2f}",
            f"{min(self.seconds):.2f} - {max(self.seconds):.2f}",
            ratio(self.median, base),
            f"{self.way.start_seconds:.1f}",
            f"{self.peak_mb:,.0f}",
        ]


def run(rows: int = ROWS, rounds: int = ROUNDS, prepared: Path | None = None, only: Sequence[str] = ()) -> str:
    """`prepared`: a folder that keeps the records for the next run. `only`: of duckdb, crossover, spark, datacompy.

    Raises RuntimeError where a way fails, or does not find what was planted.
    """
    if prepared is not None:
        return _run(rows, rounds, prepared.absolute(), only)
    with tempfile.TemporaryDirectory(prefix="crossover-bench-") as folder:
        return _run(rows, rounds, Path(folder), only)


def _run(rows: int, rounds: int, folder: Path, only: Sequence[str]) -> str:
    os.environ["CROSSOVER_WAREHOUSE"] = str(folder)
    os.environ.pop("CROSSOVER_SOURCE_URL", None)
    with ExitStack() as opened:
        ways = {name: opened.enter_context(Contestant(name)) for name in _names(rows, only)}
        cases = _cases(ways, rows)
        for number in range(1 + rounds):
            for case in cases:
                if number <= SLOW_ROUNDS or case.way.name in ("duckdb", "crossover"):
                    case.round(counts=number > 0)
        for case in cases:
            case.peak_mb = case.way.peak_mb(make(case.rows, case.faults))
    title = f"diff: medians of {rounds} rounds, warm, without the session's start, which stands apart; memory is PSS"
    return render(title, HEADER, [case.cells(cases[0].median) for case in cases])


def _names(rows: int, only: Sequence[str]) -> list[str]:
    known = ["duckdb", "crossover", "spark"]
    if importlib.util.find_spec("datacompy") and rows <= DATACOMPY_ROWS:
        known.append("datacompy")
    return [name for name in known if not only or name in only]


def _cases(ways: dict[str, Contestant], rows: int) -> list[Case]:
    """The first one is what the others are measured by. Growth: a fifth of the rows, and twice as many."""
    sizes = {
        "duckdb": [("DuckDB, full outer join", rows, FEW), ("DuckDB, full outer join", rows, MANY)],
        "crossover": [
            ("Crossover", rows, FEW),
            ("Crossover", rows, MANY),
            ("Crossover", rows // 5, FEW),
            ("Crossover", rows * 2, FEW),
        ],
        "spark": [("Spark, full outer join", rows, FEW)],
        "datacompy": [("datacompy", rows, FEW)],
    }
    return [Case(title, way, n, faults) for name, way in ways.items() for title, n, faults in sizes[name]]
