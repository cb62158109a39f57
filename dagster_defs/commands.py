"""The `ui` command of `crossover`."""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.shop.commands import DEFAULT_FOLDER
from pipelines.command import Command, CommandResult


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=3000, help="on 127.0.0.1; another one is taken where it is busy")
    parser.add_argument("--report-port", type=int, default=3001, help="of the reports; as --port")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="the demo to reopen, without settings")


def _run(arguments: argparse.Namespace) -> CommandResult:
    from dagster_defs.ui import serve_ui

    return serve_ui(arguments.folder.absolute(), arguments.port, arguments.report_port)


ui = Command("ui", "serve Dagster and the reports on 127.0.0.1", _add_arguments, _run)
