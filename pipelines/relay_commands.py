"""The commands `crossover relay` and `crossover sweep`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, Exit, add_mapping_argument
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.deliver.drain import Drained
    from pipelines.migration import Migration
    from pipelines.source.ledger.undelivered import Backlog

_SHOWN = 5  # problems that a person is told of


def _relay_arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--drain", action="store_true", help="deliver until nothing is undelivered, then end")
    what.add_argument("--status", action="store_true", help="what is undelivered, and why; changes nothing")
    parser.add_argument(
        "--lease-seconds",
        type=float,
        default=60.0,
        metavar="N",
        help="how long others keep off what this relay has claimed, should it die; 60 unless given, 300 at most",
    )


def _relay(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.migration import Migration
    from pipelines.source.connect import source_url

    migration = Migration.open(arguments.mapping)
    url = source_url(migration.mapping)
    return _drain(migration, url, arguments.lease_seconds) if arguments.drain else _status(migration, url)


def _drain(migration: Migration, url: str, lease_seconds: float) -> CommandResult:
    from pipelines.deliver.drain import Drain
    from pipelines.deliver.opened import opened_deliverer, opened_ledger
    from pipelines.progress import Progress
    from pipelines.source.ledger.undelivered import backlog

    with opened_ledger(migration, url) as ledger, opened_deliverer(migration, ledger, lease_seconds) as deliverer:
        waiting = sum(one.undelivered for one in backlog(ledger.session, ledger.item_types))
        with Progress("relay", waiting or None, "items") as progress:
            drained = Drain(deliverer, ledger.item_types, progress).run()
    return _drained_result(migration, drained)


def _drained_result(migration: Migration, drained: Drained) -> CommandResult:
    name = migration.mapping.migration
    document: dict[str, JsonValue] = {
        "migration": name,
        "counts": dict(drained.counts),
        "marks": drained.marks,
        "set_apart": [{"item_type": one.item_type, "problem": one.problem} for one in drained.set_apart],
    }
    counted = ", ".join(f"{count:,} {what}" for what, count in sorted(drained.counts.items()) if count)
    lines = [
        f"relay of {name}: drained; {counted or 'nothing was undelivered'}; {drained.marks:,} marks expanded",
        *(f"  set apart, {one.item_type}: {one.problem}" for one in drained.set_apart[:_SHOWN]),
    ]
    if len(drained.set_apart) > _SHOWN:
        lines.append(f"  … {len(drained.set_apart):,} items are set apart; each one's row in crossover.item says why")
    return CommandResult(document, lines, Exit.INCONSISTENT if drained.set_apart else Exit.DONE)


def _status(migration: Migration, url: str) -> CommandResult:
    from pipelines.deliver.opened import opened_ledger
    from pipelines.source.ledger.undelivered import backlog, open_mark_count

    with opened_ledger(migration, url) as ledger:
        waiting = backlog(ledger.session, ledger.item_types)
        marks = open_mark_count(ledger.session)
    name = migration.mapping.migration
    document: dict[str, JsonValue] = {
        "migration": name,
        "epoch": ledger.session.epoch,
        "marks": marks,
        "item_types": {one.item_type: _counts(one) for one in waiting},
    }
    lines = [f"relay of {name}: epoch {ledger.session.epoch}, {marks:,} marks to expand"]
    for one in waiting:
        lines.append(
            f"  {one.item_type}: {one.undelivered:,} undelivered ({one.leased:,} under a lease, {one.failing:,} tried "
            f"in vain), {one.rejected:,} rejected"
        )
        lines += [f"    {error}" for error in one.errors[:_SHOWN]]
    return CommandResult(document, lines)


def _counts(one: Backlog) -> dict[str, JsonValue]:
    return {
        "undelivered": one.undelivered,
        "leased": one.leased,
        "failing": one.failing,
        "rejected": one.rejected,
        "errors": list(one.errors),
    }


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
    from pipelines.target.conditional_write import ConditionalWriter
    from pipelines.target.describe import require_tables
    from pipelines.target.scan import READ_TIMEOUT_SECONDS, Scanner
    from pipelines.target.wire import Wire

    seconds = WAIT_SECONDS if arguments.wait_minutes is None else arguments.wait_minutes * 60
    if seconds < WAIT_SECONDS:
        raise UsageError(f"--wait-minutes: at least {WAIT_SECONDS / 60:.0f}, or a late write resurrects an item")
    migration = Migration.open(arguments.mapping)
    client = dynamodb_client()
    require_tables(migration.mapping, client)
    tables = {name: tuple(key.name for key in spec.keys) for name, spec in migration.mapping.target.tables.items()}
    with (
        opened_ledger(migration, source_url(migration.mapping)) as ledger,
        Wire(Address.of(client), 1, READ_TIMEOUT_SECONDS) as wire,
        Progress("sweep", None, "items") as progress,
    ):
        swept = sweep(ledger.session, tables, Scanner(wire), ConditionalWriter(wire), progress, seconds)
    name = migration.mapping.migration
    return CommandResult(
        {"migration": name, "removed": swept.removed, "young": swept.young, "raced": swept.raced},
        [f"sweep of {name}: {swept.removed:,} tombstones removed, {swept.young:,} are too young"],
    )


RELAY = Command("relay", "deliver what has changed in the source to DynamoDB", _relay_arguments, _relay)
SWEEP = Command("sweep", "remove old tombstones from DynamoDB", _sweep_arguments, _sweep)
