"""The wide table leaves PostgreSQL: Crossover's snapshot beside the wire alone, and beside other ways to Parquet.

Each way is run in a process of its own, from the command line's start to its end; the ratio is that of these times.
Ways that are tried several times take turns, and the median counts. Each is run once more against a table without
rows, which is its start, and once to see how much memory it takes, which slows it down a little (and counts where it
is the only one). What a way has written is compared with the table.
"""

from __future__ import annotations

import compileall
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pipelines
from pipelines.source.child_process import binaries
from tests.bench.measure import Measurement, measure, module
from tests.bench.snapshot.by_spark import driver
from tests.bench.snapshot.checks import Sums, differences, sums_of_files, sums_of_source
from tests.bench.snapshot.data import COLUMNS, Database, databases, pages
from tests.bench.table import ratio, render

ROWS = 2_000_000
TRIES = 3
PACKAGE = Path(pipelines.__file__).parent
MAPPING = Path(__file__).with_name("mapping.yaml")

HEADER = ["", "seconds", "from - to", "ratio", "of these, start", "CPU s", "peak MB", "files MB", "values"]


@dataclass(frozen=True)
class Way:
    """`command` gives what to run on a database; what it writes is below the database's folder."""

    name: str
    command: Callable[[Database], Sequence[str]]
    writes: bool = True
    tries: int = 1


def run(rows: int = ROWS, prepared: Path | None = None, only: Sequence[str] = ()) -> str:
    """`prepared`: a folder that keeps the table for the next run. `only`: words that the ways' names begin with.

    Raises RuntimeError where a way fails, or has not written what the table holds.
    """
    if prepared is not None:
        prepared.mkdir(parents=True, exist_ok=True)
        return _run(rows, prepared.absolute(), only)
    with tempfile.TemporaryDirectory(prefix="crossover-bench-") as folder:
        return _run(rows, Path(folder), only)


def prepare(rows: int, folder: Path) -> None:
    """Makes what `run` would make first."""
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(folder.absolute(), rows) as (full, _):
        sums_of_source(full)


def _opened(folder: Path, rows: int) -> AbstractContextManager[tuple[Database, Database]]:
    folder.chmod(0o711)  # the server runs as another user where we are root
    return databases(folder, rows)


def _run(rows: int, folder: Path, only: Sequence[str]) -> str:
    with _opened(folder, rows) as (full, empty):
        wanted = sums_of_source(full)
        compileall.compile_dir(PACKAGE, quiet=2)  # as every command but the first after an installation finds it
        ways = [way for way in _ways(full) if not only or way.name.startswith(tuple(only))]
        lines = _measured(ways, full, empty, wanted)
    table = [one.cells(lines[0].seconds) for one in lines]
    if driver() is None:
        table.append(["Spark JDBC", "no driver here: install Debian's libpostgresql-jdbc-java", *[""] * 7])
    title = f"snapshot: {rows:,} rows of {len(COLUMNS)} columns; CPU and memory (PSS, sampled) are the client's"
    return render(title, HEADER, table)


def _ways(full: Database) -> list[Way]:
    copy, half = "SELECT * FROM wide", pages(full) // 2
    halves = [f"{copy} WHERE ctid {sign} '({half},0)'" for sign in ("<", ">=")]
    ways = [
        Way("psql COPY BINARY > /dev/null", lambda _: _psql(copy), writes=False, tries=TRIES),
        Way("psql, two halves at a time", lambda _: _psql(*halves), writes=False),
        Way("Crossover snapshot", lambda _: module("pipelines.cli", "snapshot", str(MAPPING)), tries=TRIES),
        Way("ADBC → Parquet", lambda database: module("tests.bench.snapshot.by_adbc", str(database.folder))),
        Way("COPY CSV → pyarrow", lambda database: module("tests.bench.snapshot.by_csv", str(database.folder))),
    ]
    if driver() is not None:
        spark = "tests.bench.snapshot.by_spark"
        ways.append(Way("Spark JDBC", lambda database: module(spark, str(database.folder))))
    return ways


def _psql(*queries: str) -> list[str]:
    """All at a time; fails where one does."""
    program = binaries() / "psql"
    begun = "".join(
        f'\'{program}\' -qc "COPY ({query}) TO STDOUT (FORMAT binary)" > /dev/null & pids="$pids $!"; '
        for query in queries
    )
    return ["sh", "-ec", f"{begun} for pid in $pids; do wait $pid; done"]


@dataclass
class _Line:
    way: Way
    start_seconds: float
    peak_mb: float
    runs: list[Measurement] = field(default_factory=list)
    megabytes: float | None = None
    wrong: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    def cells(self, base: float) -> list[str]:
        seconds = [run.seconds for run in self.runs]
        return [
            self.way.name,
            f"{self.seconds:.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}" if len(seconds) > 1 else "",
            ratio(self.seconds, base),
            f"{self.start_seconds:.2f}",
            f"{statistics.median(run.cpu_seconds for run in self.runs):.1f}",
            f"{self.peak_mb:.0f}",
            "-" if self.megabytes is None else f"{self.megabytes:.0f}",
            "-" if self.megabytes is None else f"differ: {', '.join(self.wrong)}" if self.wrong else "equal",
        ]


def _measured(ways: Sequence[Way], full: Database, empty: Database, wanted: Sums) -> list[_Line]:
    lines = []
    for way in ways:
        start, first = _once(way, empty), _once(way, full, sampled=True)
        lines.append(_Line(way, start.seconds, first.peak_mb, [first] if way.tries == 1 else []))
        if way.writes:
            lines[-1].megabytes = sum(file.stat().st_size for file in full.folder.rglob("*.parquet")) / 1e6
            lines[-1].wrong = tuple(differences(sums_of_files(full.folder), wanted))
    for turn in range(max(way.tries for way in ways)):
        for line in lines:
            if line.way.tries > max(turn, 1):
                line.runs.append(_once(line.way, full))
    return lines


def _once(way: Way, database: Database, sampled: bool = False) -> Measurement:
    shutil.rmtree(database.folder)
    database.folder.mkdir()
    return measure(way.name, way.command(database), database.environment, sampled)
