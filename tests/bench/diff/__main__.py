"""`python -m tests.bench.diff`: this benchmark alone, at another size, with records that are kept, or some ways."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.bench.diff import ROUNDS, ROWS, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.diff")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"records a side, {ROWS} unless given")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"{ROUNDS} unless given")
    parser.add_argument("--prepared", type=Path, metavar="DIR", help="keeps the records there for the next run")
    parser.add_argument(
        "--only", action="append", default=[], metavar="WAY", help="duckdb, crossover, spark, datacompy"
    )
    arguments = parser.parse_args()
    sys.stdout.write(run(arguments.rows, arguments.rounds, arguments.prepared, arguments.only) + "\n")


if __name__ == "__main__":
    main()
