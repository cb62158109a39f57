"""The command `crossover sweep`."""

from __future__ import annotations

import argparse

from pipelines.command import Command, CommandResult, add_mapping_argument
from pipelines.errors import UsageError

_LONGEST_WAIT_SECONDS = 365 * 86_400


def _sweep_arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument(
        "--wait-minutes",
        type=float,
        metavar="N",
        help="how long ago a tombstone must have been written: 70 unless given, more where requests may be late longer",
    )


def _sweep(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.deliver.opened import opened_ledger
    from pipelines.deliver.sweep import WAIT_SECONDS, sweep
    from pipelines.migration import Migration
    from pipelines.progress import Progress
    from pipelines.source.connect import source_url
    from pipelines.target.client import Address, dynamodb_client
    from pipelines.target.describe import require_tables
    from pipelines.target.scan import READ_TIMEOUT_SECONDS, Scanner
    from pipelines.target.tombstones import Tombstones
    from pipelines.target.wire import Wire

    seconds = WAIT_SECONDS if arguments.wait_minutes is None else arguments.wait_minutes * 60
    if not WAIT_SECONDS <= seconds <= _LONGEST_WAIT_SECONDS:
        raise UsageError(
            f"--wait-minutes: at least {WAIT_SECONDS / 60:.0f}, or a late write resurrects an item; "
            f"{_LONGEST_WAIT_SECONDS / 60:.0f} at most, which is a year"
        )
    migration = Migration.open(arguments.mapping)
    client = dynamodb_client()
    require_tables(migration.mapping, client)
    tables = {name: tuple(key.name for key in spec.keys) for name, spec in migration.mapping.target.tables.items()}
    with (
        opened_ledger(migration, source_url(migration.mapping)) as ledger,
        Wire(Address.of(client), 1, READ_TIMEOUT_SECONDS) as wire,
        Progress("sweep", None, "items") as progress,
    ):
        swept = sweep(ledger.session, tables, Scanner(wire), Tombstones(wire), progress, seconds)
    name = migration.mapping.migration
    return CommandResult(
        {"migration": name, "removed": swept.removed, "young": swept.young, "raced": swept.raced},
        [f"sweep of {name}: {swept.removed:,} tombstones removed, {swept.young:,} are too young"],
    )


SWEEP = Command("sweep", "remove old tombstones from DynamoDB", _sweep_arguments, _sweep)
