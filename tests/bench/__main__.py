"""`make bench`: every benchmark, or those that are named: `python -m tests.bench snapshot`."""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import sys

import tests.bench

NAMES = sorted(module.name for module in pkgutil.iter_modules(tests.bench.__path__) if module.ispkg)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all unless given")
    parser.add_argument("--rows", type=int, metavar="N", help="rows of the snapshot's table, 2000000 unless given")
    arguments = parser.parse_args()
    for name in arguments.names or NAMES:
        if name not in NAMES:
            parser.error(f"no benchmark {name!r}; there are {', '.join(NAMES)}")
        run = importlib.import_module(f"tests.bench.{name}").run
        sized = arguments.rows is not None and "rows" in inspect.signature(run).parameters
        sys.stdout.write((run(rows=arguments.rows) if sized else run()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
