"""The command `crossover capture`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, Exit, add_mapping_argument
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.capture import CaptureStatus
    from pipelines.migration import Migration


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument("action", choices=sorted(_ACTIONS), help="what to do with the ledger and its triggers")
    parser.add_argument("--print", action="store_true", help="print the SQL instead of running it")


def _capture(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.migration import Migration
    from pipelines.source.connect import source_url

    migration = Migration.open(arguments.mapping)
    url = source_url(migration.mapping)
    actions = _SCRIPTS if arguments.print else _ACTIONS
    if arguments.action not in actions:
        raise UsageError(f"--print: `{arguments.action}` changes nothing, so there is no SQL to print")
    return actions[arguments.action](migration, url)


def _install(migration: Migration, url: str) -> CommandResult:
    from pipelines.capture import install_capture

    change = install_capture(migration, url)
    return _status_result(change.status, "installed" if change.changed else "installed already")


def _upgrade(migration: Migration, url: str) -> CommandResult:
    from pipelines.capture import upgrade_capture

    change = upgrade_capture(migration, url)
    return _status_result(change.status, "upgraded" if change.changed else "nothing to upgrade")


def _status(migration: Migration, url: str) -> CommandResult:
    from pipelines.capture import capture_status

    return _status_result(capture_status(migration, url), "status")


def _uninstall(migration: Migration, url: str) -> CommandResult:
    from pipelines.capture import uninstall_capture

    outcome = "uninstalled" if uninstall_capture(migration, url) else "nothing was installed"
    name = migration.mapping.migration
    return CommandResult({"migration": name, "outcome": outcome}, [f"capture of {name}: {outcome}"])


def _print_install(migration: Migration, url: str) -> CommandResult:
    from pipelines.capture import install_script

    return _printed(migration, install_script(migration, url))


def _print_uninstall(migration: Migration, url: str) -> CommandResult:
    from pipelines.capture import uninstall_script

    return _printed(migration, uninstall_script(migration, url))


def _printed(migration: Migration, text: str) -> CommandResult:
    return CommandResult({"migration": migration.mapping.migration, "sql": text}, [text])


def _status_result(status: CaptureStatus, outcome: str) -> CommandResult:
    epoch = "" if status.epoch is None else f", epoch {status.epoch}"
    document: dict[str, JsonValue] = {
        "migration": status.migration,
        "outcome": outcome,
        "capture": status.capture,
        "epoch": status.epoch,
        "tables": list(status.tables),
        "item_types": {one.item_type: one.mode for one in status.modes},
        "gaps": [{"where": gap.where, "problem": gap.problem, "remedy": gap.remedy} for gap in status.gaps],
    }
    lines = [
        f"capture of {status.migration}: {outcome}; {status.capture}{epoch}, {len(status.tables)} tables",
        *(f"  {one.item_type}: no ledger, for {one.reason}" for one in status.modes if one.mode != "ledger"),
        *(f"  {gap}" for gap in status.gaps),
    ]
    return CommandResult(document, lines, Exit.INCONSISTENT if status.gaps else Exit.DONE)


_Action = Callable[["Migration", str], CommandResult]
_ACTIONS: dict[str, _Action] = {
    "install": _install,
    "status": _status,
    "upgrade": _upgrade,
    "uninstall": _uninstall,
}
_SCRIPTS: dict[str, _Action] = {
    "install": _print_install,
    "upgrade": _print_install,
    "uninstall": _print_uninstall,
}

COMMAND = Command("capture", "install, look at or remove the ledger and its triggers", _arguments, _capture)
