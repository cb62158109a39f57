"""The wide table leaves PostgreSQL: Crossover's snapshot beside the wire alone, and beside other ways to Parquet.

Each way is run in a process of its own, and once more against a table without rows: that is its start, which the
ratio leaves out. Of two runs the faster one counts. What a way has written is compared with the table.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.source.child_process import binaries
from tests.bench.measure import Measurement, measure, module
from tests.bench.snapshot.by_spark import driver
from tests.bench.snapshot.checks import Sums, differences, sums_of_files, sums_of_source
from tests.bench.snapshot.data import COLUMNS, Database, databases, pages
from tests.bench.table import ratio, render

ROWS = 2_000_000
TRIES = 2
MAPPING = Path(__file__).with_name("mapping.yaml")

HEADER = ["", "seconds", "of these, start", "ratio without start", "CPU s", "peak MB", "files MB", "values"]


@dataclass(frozen=True)
class Way:
    """`command` gives what to run on a database; what it writes is below the database's folder."""

    name: str
    command: Callable[[Database], Sequence[str]]
    writes: bool = True
    tries: int = TRIES


def run(rows: int = ROWS) -> str:
    """Raises RuntimeError where a way fails, or has not written what the table holds."""
    with tempfile.TemporaryDirectory(prefix="crossover-bench-") as folder:
        Path(folder).chmod(0o711)  # the server runs as another user where we are root
        with databases(Path(folder), rows) as (full, empty):
            wanted = sums_of_source(full)
            lines = [_measured(way, full, empty, wanted) for way in _ways(full)]
    base = lines[0].net_seconds
    table = [one.cells(base) for one in lines]
    if driver() is None:
        table.append(["Spark JDBC", "no driver here: install Debian's libpostgresql-jdbc-java", *[""] * 6])
    title = f"snapshot: {rows:,} rows of {len(COLUMNS)} columns; CPU and memory (PSS, sampled) are the client's"
    return render(title, HEADER, table)


def _ways(full: Database) -> list[Way]:
    copy, half = "SELECT * FROM wide", pages(full) // 2
    halves = [f"{copy} WHERE ctid {sign} '({half},0)'" for sign in ("<", ">=")]
    ways = [
        Way("psql COPY BINARY > /dev/null", lambda _: _psql(copy), writes=False),
        Way("psql, two halves at a time", lambda _: _psql(*halves), writes=False),
        Way("Crossover snapshot", lambda _: module("pipelines.cli", "snapshot", str(MAPPING))),
        Way("ADBC → Parquet", lambda database: module("tests.bench.snapshot.by_adbc", str(database.folder))),
        Way("COPY CSV → pyarrow", lambda database: module("tests.bench.snapshot.by_csv", str(database.folder))),
    ]
    if driver() is not None:
        spark = "tests.bench.snapshot.by_spark"
        ways.append(Way("Spark JDBC", lambda database: module(spark, str(database.folder)), tries=1))
    return ways


def _psql(*queries: str) -> list[str]:
    """All at a time; fails where one does."""
    program = binaries() / "psql"
    begun = "".join(
        f'\'{program}\' -qc "COPY ({query}) TO STDOUT (FORMAT binary)" > /dev/null & pids="$pids $!"; '
        for query in queries
    )
    return ["sh", "-ec", f"{begun} for pid in $pids; do wait $pid; done"]


@dataclass(frozen=True)
class _Line:
    way: Way
    start_seconds: float
    run: Measurement
    megabytes: float | None
    wrong: tuple[str, ...]

    @property
    def net_seconds(self) -> float:
        return self.run.seconds - self.start_seconds

    def cells(self, base: float) -> list[str]:
        return [
            self.way.name,
            f"{self.run.seconds:.2f}",
            f"{self.start_seconds:.2f}",
            ratio(self.net_seconds, base),
            f"{self.run.cpu_seconds:.1f}",
            f"{self.run.peak_mb:.0f}",
            "-" if self.megabytes is None else f"{self.megabytes:.0f}",
            "-" if self.megabytes is None else f"differ: {', '.join(self.wrong)}" if self.wrong else "equal",
        ]


def _measured(way: Way, full: Database, empty: Database, wanted: Sums) -> _Line:
    start = _once(way, empty)
    runs = [_once(way, full) for _ in range(way.tries)]
    best = min(runs, key=lambda one: one.seconds)
    if not way.writes:
        return _Line(way, start.seconds, best, None, ())
    size = sum(file.stat().st_size for file in full.folder.rglob("*.parquet")) / 1e6
    wrong = differences(sums_of_files(full.folder), wanted)
    return _Line(way, start.seconds, best, size, tuple(wrong))


def _once(way: Way, database: Database) -> Measurement:
    shutil.rmtree(database.folder)
    database.folder.mkdir()
    return measure(way.name, way.command(database), database.environment)
