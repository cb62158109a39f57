"""Each stage command, killed with SIGKILL at random instants while both servers live on, and run again: the same
result as an undisturbed run, and accounts that balance.

CROSSOVER_KILLS sets how many kills a stage gets: one in every run of the tests, five before a release.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from tests.e2e.conftest import CommandLine
from tests.spoilt_shop import fill, spoil

pytestmark = pytest.mark.e2e

KILLS = int(os.environ.get("CROSSOVER_KILLS", "1"))


def killed_then_run(crossover: CommandLine, *arguments: str, seed: int) -> dict[str, object]:
    """Kills the command KILLS times, each at an instant of an undisturbed run's length, then lets it finish."""
    pace = random.Random(seed)
    length = 8.0
    for _ in range(KILLS):
        process = crossover.start(*arguments, "--json")
        deadline = time.monotonic() + pace.uniform(0.3, length)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        process.kill()
        process.communicate()
        if process.returncode == 0:  # it was quicker than the dice
            length = max(1.0, length / 2)
    last = [*arguments, *(["--resume"] if arguments[0] == "backfill" and is_backfilled(crossover) else [])]
    finished = crossover(*last, "--json")
    assert finished.status in (0, 1), finished.err
    document: dict[str, object] = finished.document
    return document


def is_backfilled(crossover: CommandLine) -> bool:
    """Whether a backfill came to its end; the tables are full then, and only `--resume` does not mind."""
    return any((crossover.folder / "warehouse" / "small" / "backfills").glob("*/manifest.json"))


def content(folder: Path, columns: list[str]) -> str:
    """A digest of a dataset's rows, in key order."""
    table: pa.Table = ds.dataset(sorted(folder.rglob("*.parquet"))).to_table(columns)
    rows = table.sort_by([(name, "ascending") for name in columns]).to_pylist()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_every_stage_survives_kills(crossover: CommandLine, database_url: str) -> None:
    mapping = str(fill(database_url, crossover.folder, orders=2_000))
    assert crossover("tables", mapping).status == 0

    snapshot = killed_then_run(crossover, "snapshot", mapping, seed=1)
    folder = crossover.folder / "warehouse" / "small"
    records = killed_then_run(crossover, "records", mapping, seed=2)
    assert records["snapshot_id"] == snapshot["snapshot_id"] or isinstance(records["snapshot_id"], str)

    backfill = killed_then_run(crossover, "backfill", mapping, seed=3)
    assert backfill["records"] == records["records"] == backfill["written"]
    assert backfill["failed"] == 0

    spoilt = spoil()
    dump = killed_then_run(crossover, "dump", mapping, seed=5)
    dumped = ds.dataset(sorted((folder / "dumps" / str(dump["dump_id"]) / "records").rglob("*.parquet")))
    assert dumped.count_rows() == dump["items"]
    again = crossover("dump", mapping, "--json").document
    assert content(folder / "dumps" / str(again["dump_id"]) / "records", ["key", "digest", "table"]) == content(
        folder / "dumps" / str(dump["dump_id"]) / "records", ["key", "digest", "table"]
    )

    diff = killed_then_run(crossover, "diff", mapping, seed=6)
    assert {verdict: diff[verdict] for verdict in spoilt} == spoilt
    assert diff["consistent"] is False
