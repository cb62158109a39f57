"""`python -m tests.bench.snapshot`: this benchmark alone, at another size, with a table that is kept, or some ways."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.bench.snapshot import ROWS, prepare, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.snapshot")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"{ROWS} unless given")
    parser.add_argument("--prepared", type=Path, metavar="DIR", help="keeps the table there for the next run")
    parser.add_argument("--prepare", action="store_true", help="measures nothing: makes what --prepared keeps")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="the ways whose names begin so")
    arguments = parser.parse_args()
    if arguments.prepare:
        if arguments.prepared is None:
            parser.error("--prepare needs --prepared DIR")
        prepare(arguments.rows, arguments.prepared)
        return
    sys.stdout.write(run(arguments.rows, arguments.prepared, arguments.only) + "\n")


if __name__ == "__main__":
    main()
