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
    parser.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help="rows of the snapshot's table, 2000000 unless given, and records a side of the diff, 5000000",
    )
    parser.add_argument("--minutes", type=float, metavar="N", help="a steady load for so long, and how capture grows")
    arguments = parser.parse_args()
    asked = {name: value for name in ("rows", "minutes") if (value := getattr(arguments, name)) is not None}
    for name in arguments.names or NAMES:
        if name not in NAMES:
            parser.error(f"no benchmark {name!r}; there are {', '.join(NAMES)}")
        run = importlib.import_module(f"tests.bench.{name}").run
        known = inspect.signature(run).parameters
        sys.stdout.write(run(**{option: value for option, value in asked.items() if option in known}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
