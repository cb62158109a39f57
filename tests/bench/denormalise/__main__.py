"""`python -m tests.bench.denormalise`: this benchmark alone, at another size or with data that are kept."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.bench.denormalise import ORDERS, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.denormalise")
    parser.add_argument("--orders", type=int, default=ORDERS, metavar="N", help=f"{ORDERS} unless given")
    parser.add_argument("--prepared", type=Path, metavar="DIR", help="keeps the snapshot there for the next run")
    arguments = parser.parse_args()
    sys.stdout.write(run(arguments.orders, arguments.prepared) + "\n")


if __name__ == "__main__":
    main()
