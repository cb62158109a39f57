"""`make bench`: every benchmark, or those that are named: `python -m tests.bench snapshot`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import tests.bench

NAMES = sorted(module.name for module in pkgutil.iter_modules(tests.bench.__path__) if module.ispkg)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all unless given")
    for name in parser.parse_args().names or NAMES:
        if name not in NAMES:
            parser.error(f"no benchmark {name!r}; there are {', '.join(NAMES)}")
        sys.stdout.write(importlib.import_module(f"tests.bench.{name}").run() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
