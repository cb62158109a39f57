"""`crossover assess` of 500 tables and 5,000 statements, in a process of its own: from a file, and what of it is the
database's part alone. Memory is of the command."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from pipelines.source.embedded import EmbeddedPostgres
from tests.bench.assess.data import create, statements
from tests.bench.measure import measure, module
from tests.bench.table import render

TABLES = 500
STATEMENTS = 5_000
HEADER = ["", "seconds", "CPU seconds", "peak MB", "tables", "statements", "patterns"]


def run(tables: int = TABLES, count: int = STATEMENTS) -> str:
    """Raises RuntimeError where the command fails."""
    with (
        tempfile.TemporaryDirectory(prefix="crossover-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres", durable=False) as server,
    ):
        create(server.url, tables)
        queries = Path(folder) / "queries.sql"
        queries.write_text("".join(f"{one};\n" for one in statements(tables, count)), encoding="utf-8")
        rows = [
            _row("catalogue alone", server.url, folder, []),
            _row("catalogue and statements", server.url, folder, ["--queries", str(queries)]),
        ]
    return render("assessment of a generated database", HEADER, rows)


def _row(name: str, url: str, folder: str, options: list[str]) -> list[str]:
    command = module("pipelines.cli", "assess", url, "--out", f"{folder}/{name}", "--json", *options)
    found = measure(name, command, dict(os.environ))
    said = json.loads(found.said)
    counts = [f"{said[what]:,}" for what in ("tables", "statements", "patterns")]
    return [name, f"{found.seconds:.1f}", f"{found.cpu_seconds:.1f}", f"{found.peak_mb:,.0f}", *counts]
