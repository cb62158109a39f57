"""What capture costs a writer: two databases of one server, with and without it, in turn in short rounds."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from pathlib import Path

from pipelines.capture import install_capture
from pipelines.migration import Migration
from pipelines.source.embedded import EmbeddedPostgres
from tests.bench.capture.data import CLIENTS, MAPPING, PARENT, UNUSED, USED, Load, Protocol, fill, pgbench
from tests.bench.table import render

SECONDS = int(os.environ.get("CROSSOVER_BENCH_SECONDS", "1"))
MEASURED: tuple[tuple[Load, Protocol, bool, int], ...] = (
    (USED, "simple", True, 15),
    (USED, "prepared", True, 9),
    (UNUSED, "simple", True, 5),
    (PARENT, "simple", True, 5),
    (USED, "simple", False, 5),
    (USED, "prepared", False, 5),
)
"""Load, protocol, fsync, rounds after one that does not count."""
_COMMITS = {True: "fsync on", False: "fsync off"}


@dataclass(frozen=True)
class Rounds:
    """Transactions a second, round by round; a round with capture follows, or precedes, the one without it."""

    without: list[float]
    captured: list[float]

    @property
    def cost(self) -> float:
        """The median of the rounds' own."""
        return statistics.median(self.costs)

    @property
    def costs(self) -> list[float]:
        return [1 - b / a for a, b in zip(self.without, self.captured, strict=True)]


def run(folder: Path) -> str:
    rows = [row for durable in _COMMITS for row in _at(folder / _COMMITS[durable].replace(" ", "-"), durable)]
    title = f"capture: single-row updates by primary key, {CLIENTS} clients, {SECONDS} s a round, medians"
    return render(title, ["", "tps without", "tps with capture", "cost", "of the rounds"], rows)


def _at(folder: Path, durable: bool) -> list[list[str]]:
    folder.mkdir()
    (folder / "bench.yaml").write_text(MAPPING, encoding="utf-8")
    with EmbeddedPostgres(folder / "postgres", durable=durable) as server:
        plain, captured = fill(server.url, "plain"), fill(server.url, "captured")
        install_capture(Migration.open(folder / "bench.yaml", folder / "warehouse"), captured)
        return [
            _row(load, protocol, durable, _rounds(load, protocol, rounds, folder, (plain, captured)))
            for load, protocol, fsync, rounds in MEASURED
            if fsync is durable
        ]


def _rounds(load: Load, protocol: Protocol, rounds: int, folder: Path, databases: tuple[str, str]) -> Rounds:
    plain, captured = databases
    script = load.write(folder)
    rates: dict[str, list[float]] = {plain: [], captured: []}
    for number in range(rounds + 1):
        for url in (plain, captured) if number % 2 else (captured, plain):
            rates[url].append(pgbench(url, script, SECONDS, protocol=protocol))
    return Rounds(rates[plain][1:], rates[captured][1:])


def _row(load: Load, protocol: Protocol, durable: bool, rounds: Rounds) -> list[str]:
    return [
        f"{load.name}, {protocol} protocol, {_COMMITS[durable]}",
        f"{statistics.median(rounds.without):,.0f}",
        f"{statistics.median(rounds.captured):,.0f}",
        f"{rounds.cost:.1%}",
        f"{min(rounds.costs):.0%} to {max(rounds.costs):.0%}",
    ]
