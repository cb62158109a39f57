"""The `demo` command of `crossover`."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipelines.command import Command, CommandResult
from pipelines.errors import UsageError

DEFAULT_FOLDER = Path(".crossover/demo")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scale", type=float, default=1.0, help="1 gives about 8,000 items")
    parser.add_argument("--seed", type=int, default=20261124, help="the same seed gives the same shop")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="keeps the demo's database and warehouse")
    parser.add_argument("--serve", action="store_true", help="reopen the demo's databases and keep them open")


def _run(arguments: argparse.Namespace) -> CommandResult:
    from examples.shop.demo import run_demo, serve

    if not 0 < arguments.scale <= 1000:
        raise UsageError(f"--scale {arguments.scale:g}: give a number above 0, up to 1000")
    folder = arguments.folder.absolute()
    return serve(folder) if arguments.serve else run_demo(folder, arguments.scale, arguments.seed)


demo = Command("demo", "the whole story on embedded parts, ending in a report", _add_arguments, _run)
