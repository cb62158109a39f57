"""The `crossover` command: parses, calls a stage, prints.

Exit status: 0 done, and for `verify` consistent; 1 `verify` found it inconsistent; 2 usage or failure, with one
clear line on stderr; 130 interrupted. `--json` prints one JSON object on stdout and nothing else there.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points, version
from typing import NoReturn

from pipelines.command import ENTRY_POINTS, Command, CommandResult, Exit
from pipelines.errors import CrossoverError, UsageError
from pipelines.lifeline import terminate_cleanly
from pipelines.logs import about_mapping, completed, redacted, say, start_logging

_COLLECT_AFTER = 50_000  # objects; those that imports make stay, and need not be looked through again and again

log = logging.getLogger("crossover")


def main(arguments: Sequence[str] | None = None) -> None:
    gc.set_threshold(_COLLECT_AFTER)
    with terminate_cleanly():
        status = run(sys.argv[1:] if arguments is None else arguments)
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns the exit status; prints, never raises."""
    try:
        return _run(arguments, as_json="--json" in arguments)
    finally:
        about_mapping(None)


def _run(arguments: Sequence[str], *, as_json: bool) -> int:
    try:
        start_logging()
        parsed = build_parser(next(iter(arguments), "")).parse_args(arguments)
        about_mapping(_mapping_file(parsed))
        result: CommandResult = parsed.command.run(parsed)
    except CrossoverError as error:
        return _fail(error.code, str(error), Exit.FAILED, as_json)
    except KeyboardInterrupt as error:
        message = str(error) or "interrupted; run it again to go on"
        return _fail("interrupted", message, Exit.INTERRUPTED, as_json)
    except Exception as error:
        log.debug("unexpected failure\n%s", "".join(_trail(error)))
        message = f"unexpected {type(error).__name__}; run again with CROSSOVER_LOG=DEBUG for the details and report it"
        return _fail("defect", message, Exit.FAILED, as_json)
    text = (
        json.dumps(_completed(result.document), ensure_ascii=False) if as_json else completed("\n".join(result.lines))
    )
    return result.exit if _print(text) else Exit.FAILED


def _mapping_file(parsed: argparse.Namespace) -> str | None:
    path = getattr(parsed, "mapping", None)
    return None if path is None else str(path)


def _completed(document: object) -> object:
    """All texts of it."""
    match document:
        case str():
            return completed(document)
        case Mapping():
            return {name: _completed(value) for name, value in document.items()}
        case list() | tuple():
            return [_completed(value) for value in document]
    return document


def build_parser(asked_for: str = "") -> argparse.ArgumentParser:
    """Knows all commands, or only some where `asked_for` is among them."""
    parser = _Parser(
        prog="crossover",
        allow_abbrev=False,
        description="Moves a live application from Amazon RDS to DynamoDB, and proves that both hold the same data.",
    )
    parser.add_argument("--version", action="version", version=f"crossover {version('crossover')}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for command in commands(asked_for):
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help, allow_abbrev=False)
        command.add_arguments(subparser)
        subparser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        subparser.set_defaults(command=command)
    return parser


def commands(asked_for: str = "") -> list[Command]:
    """All registered commands, in the order of a migration, then by name; the engine's own alone where `asked_for` is
    one of them: the others take a while to import."""
    from pipelines.stage_commands import COMMANDS

    if any(command.name == asked_for for command in COMMANDS):
        return [*COMMANDS]
    loaded = [point.load() for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name)]
    return [*COMMANDS, *loaded]


class _Parser(argparse.ArgumentParser):
    """Usage errors come out like all others: one line, exit 2, JSON where asked for."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def _trail(error: BaseException | None) -> Iterator[str]:
    """Where an error and its causes came from, without their messages: those can quote values."""
    while error is not None:
        yield from (f"{type(error).__name__}\n", *traceback.format_tb(error.__traceback__))
        error = error.__cause__ or error.__context__


def _print(text: str) -> bool:
    """Whether somebody has read it."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        return False
    return True


def _fail(code: str, said: str, status: Exit, as_json: bool) -> int:
    message = redacted(completed(said))
    if as_json:
        _print(json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False))
    say(message, logging.ERROR)
    return status


if __name__ == "__main__":
    main()
