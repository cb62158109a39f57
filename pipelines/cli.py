"""The `crossover` command: parses, calls a stage, prints.

Exit status: 0 done, and for `verify` consistent; 1 `verify` found it inconsistent; 2 usage or failure, with one
clear line on stderr; 130 interrupted. `--json` prints one JSON object on stdout and nothing else there.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points, version
from typing import NoReturn

from pipelines.command import ENTRY_POINTS, Command, CommandResult, Exit
from pipelines.errors import CrossoverError, UsageError

log = logging.getLogger("crossover")


def main(arguments: Sequence[str] | None = None) -> None:
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns the exit status; prints, never raises."""
    as_json = "--json" in arguments
    logging.basicConfig(
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        level=os.environ.get("CROSSOVER_LOG", "WARNING").upper(),
    )
    try:
        parsed = build_parser().parse_args(arguments)
        result: CommandResult = parsed.command.run(parsed)
    except CrossoverError as error:
        return _fail(error.code, str(error), Exit.FAILED, as_json)
    except KeyboardInterrupt:
        return _fail("interrupted", "interrupted; run it again to go on", Exit.INTERRUPTED, as_json)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - nobody reads us any more
        return Exit.FAILED
    except Exception as error:
        log.debug("unexpected failure", exc_info=True)
        message = f"unexpected {type(error).__name__}; run again with CROSSOVER_LOG=DEBUG for the details and report it"
        return _fail("defect", message, Exit.FAILED, as_json)
    if as_json:
        print(json.dumps(result.document, ensure_ascii=False))
    else:
        print("\n".join(result.lines))
    return result.exit


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="crossover",
        description="Moves a live application from Amazon RDS to DynamoDB, and proves that both hold the same data.",
    )
    parser.add_argument("--version", action="version", version=f"crossover {version('crossover')}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for command in commands():
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(subparser)
        subparser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        subparser.set_defaults(command=command)
    return parser


def commands() -> list[Command]:
    """All registered commands, in the order of a migration, then by name."""
    from pipelines.stage_commands import COMMANDS

    loaded = [point.load() for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name)]
    return [*COMMANDS, *loaded]


class _Parser(argparse.ArgumentParser):
    """Usage errors come out like all others: one line, exit 2, JSON where asked for."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def _fail(code: str, message: str, status: Exit, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False))
    print(f"crossover: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
