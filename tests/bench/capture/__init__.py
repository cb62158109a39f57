"""pgbench: single-row updates by four clients, with and without capture, side by side in one run."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

import psycopg

from pipelines.capture import install_capture, uninstall_capture
from pipelines.migration import Migration
from pipelines.source.child_process import binaries
from pipelines.source.embedded import EmbeddedPostgres
from tests.bench.table import ratio, render

ROWS = 100_000
CLIENTS = 4
SECONDS = int(os.environ.get("CROSSOVER_BENCH_SECONDS", "5"))
ROUNDS = 4  # with and without in turn: the machine's mood is the same for both

SCHEMA = f"""
CREATE TABLE accounts (aid int PRIMARY KEY, branch int NOT NULL, balance int NOT NULL, filler char(84) NOT NULL)
    WITH (fillfactor = 80);
INSERT INTO accounts SELECT n, n % 100, 0, '' FROM generate_series(1, {ROWS}) AS n;
"""

MAPPING = """
migration: bench
target: {tables: {bench: {partition_key: {name: pk, type: S}}}}
items: {account: {table: bench, from: accounts, key: {pk: "ACCOUNT#{aid}"}}}
"""

SCRIPT = f"""
\\set aid random(1, {ROWS})
\\set delta random(-5000, 5000)
UPDATE accounts SET balance = balance + :delta WHERE aid = :aid;
"""


def run() -> str:
    with tempfile.TemporaryDirectory(prefix="crossover-bench-") as name:
        folder = Path(name)
        (folder / "bench.yaml").write_text(MAPPING, encoding="utf-8")
        (folder / "update.sql").write_text(SCRIPT, encoding="utf-8")
        migration = Migration.open(folder / "bench.yaml", folder / "warehouse")
        with EmbeddedPostgres(folder / "postgres") as server:
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(SCHEMA.encode())
                connection.execute("VACUUM ANALYZE accounts")
            rates = _rates(migration, server.url, folder / "update.sql")
    return _table(rates)


def _rates(migration: Migration, url: str, script: Path) -> dict[str, list[float]]:
    """Transactions a second, round by round."""
    rates: dict[str, list[float]] = {"without capture": [], "with capture": []}
    for _ in range(ROUNDS):
        rates["without capture"].append(_pgbench(url, script))
        install_capture(migration, url)
        rates["with capture"].append(_pgbench(url, script))
        uninstall_capture(migration, url)
    return rates


def _pgbench(url: str, script: Path) -> float:
    command = [binaries() / "pgbench", "-n", "-c", CLIENTS, "-j", 1, "-T", SECONDS, "-M", "prepared", "-f", script, url]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if done.returncode != 0 or found is None or "number of failed transactions: 0 " not in done.stdout:
        raise RuntimeError(f"pgbench: exit {done.returncode}")  # its own words show the URL
    return float(found[1])


def _table(rates: dict[str, list[float]]) -> str:
    """The best round of each: what disturbs a round only makes it slower."""
    base = max(rates["without capture"])
    rows = [
        [name, f"{max(found):,.0f}", ratio(max(found), base), " ".join(f"{one:,.0f}" for one in found)]
        for name, found in rates.items()
    ]
    title = f"capture: single-row updates, {CLIENTS} clients, {SECONDS} s a round"
    return render(title, ["", "tps", "ratio", "rounds"], rows)
