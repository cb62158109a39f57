"""The command `crossover relay`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, Exit, add_mapping_argument, seconds_up_to
from pipelines.errors import UsageError
from pipelines.monitoring.options import add_metrics_argument

if TYPE_CHECKING:
    from collections import Counter

    from pydantic import JsonValue

    from pipelines.deliver.drain import Drained
    from pipelines.migration import Migration
    from pipelines.relay.serve import Report
    from pipelines.source.ledger.health import Health
    from pipelines.source.ledger.undelivered import Backlog

_SHOWN = 5  # problems that a person is told of


def _relay_arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--drain", action="store_true", help="deliver until nothing is undelivered, then end")
    what.add_argument("--status", action="store_true", help="what is undelivered, for how long, and why")
    what.add_argument("--pause", action="store_true", help="relays deliver nothing until --resume; nothing is lost")
    what.add_argument("--resume", action="store_true", help="ends --pause")
    what.add_argument(
        "--replay", action="store_true", help="have all of --item-type, or its --key alone, delivered once more"
    )
    what.add_argument(
        "--resync", action="store_true", help="with --reverse: read all items, apply those that the source lacks"
    )
    parser.add_argument(
        "--reverse", action="store_true", help="the other direction: apply what is written in DynamoDB to the source"
    )
    parser.add_argument("--item-type", metavar="NAME", help="with --replay")
    parser.add_argument("--key", metavar="KEY", help='with --replay: a source key, order_id=6 or {"order_id":"6"}')
    parser.add_argument(
        "--lease-seconds",
        type=seconds_up_to(300),
        default=60.0,
        metavar="N",
        help="how long others keep off what this relay has claimed, should it die; 60 unless given, 300 at most",
    )
    parser.add_argument(
        "--idle-seconds",
        type=seconds_up_to(3600),
        default=1.0,
        metavar="N",
        help="the longest pause between two looks at the ledger; 1 unless given",
    )
    add_metrics_argument(parser)


def _relay(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.migration import Migration
    from pipelines.reverse.command import reverse_relay
    from pipelines.source.connect import source_url

    if arguments.replay != (arguments.item_type is not None) or (arguments.key is not None and not arguments.replay):
        raise UsageError("--replay needs --item-type, and may have --key; neither means anything without it")
    if arguments.resync and not arguments.reverse:
        raise UsageError("--resync is the reverse relay's; give --reverse, too")
    migration = Migration.open(arguments.mapping)
    url = source_url(migration.mapping)
    if arguments.reverse:
        return reverse_relay(migration, url, arguments)
    if arguments.drain:
        return _drain(migration, url, arguments)
    if arguments.status:
        return _status(migration, url)
    if arguments.pause or arguments.resume:
        return _set_paused(migration, url, arguments.pause)
    if arguments.replay:
        return _replay(migration, url, arguments.item_type, arguments.key)
    return _serve(migration, url, arguments)


def _serve(migration: Migration, url: str, arguments: argparse.Namespace) -> CommandResult:
    from pipelines.monitoring.options import metrics_of, named_by
    from pipelines.monitoring.relay import relay_metrics
    from pipelines.monitoring.sinks import open_sinks
    from pipelines.relay.serve import Options, serve, stopped_by_signals

    options, name = Options(arguments.lease_seconds, arguments.idle_seconds), migration.mapping.migration
    with open_sinks(metrics_of(arguments), name, by=named_by(arguments)) as sinks, stopped_by_signals() as stop:

        def report(report: Report) -> None:
            _say(report)
            if report.health is not None:
                sinks.emit(relay_metrics(report.health, *report.tally.since_last()))

        tally = serve(migration, url, options, stop, report)
    document: dict[str, JsonValue] = {"migration": name, "counts": dict(tally.counts), "marks": tally.marks}
    told = f"{_counted(tally.counts)}; {tally.marks:,} marks expanded"
    return CommandResult(document, [f"relay of {name}: stopped; {told}"])


def _say(report: Report) -> None:
    from pipelines.progress import tell

    if report.health is None:
        tell(f"relay: {report.problem}; it goes on when that has passed")
        return
    health, settled = report.health, report.tally.counts["settled"]
    paused = "; paused" if health.paused else ""
    tell(
        f"relay: {settled:,} items delivered so far, {health.undelivered:,} undelivered, "
        f"for {health.oldest_seconds:.1f} s at most{paused}"
    )


def _drain(migration: Migration, url: str, arguments: argparse.Namespace) -> CommandResult:
    from pipelines.deliver.drain import Drain
    from pipelines.deliver.opened import opened_deliverer, opened_ledger
    from pipelines.monitoring.options import metrics_of, named_by
    from pipelines.monitoring.relay import relay_metrics
    from pipelines.monitoring.sinks import open_sinks
    from pipelines.progress import Progress
    from pipelines.source.ledger.health import is_paused, read_health
    from pipelines.source.ledger.undelivered import backlog

    with (
        open_sinks(metrics_of(arguments), migration.mapping.migration, by=named_by(arguments)) as sinks,
        opened_ledger(migration, url) as ledger,
        opened_deliverer(migration, ledger, arguments.lease_seconds) as deliverer,
    ):
        if is_paused(ledger.session):
            raise UsageError(f"relay of {migration.mapping.migration}: it is paused; run it with --resume first")
        waiting = sum(one.undelivered for one in backlog(ledger.session, ledger.item_types))
        with Progress("relay", waiting or None, "items") as progress:
            drained = Drain(deliverer, ledger.item_types, progress).run()
        sinks.emit(relay_metrics(read_health(ledger.session, ledger.item_types), drained.counts, None))
    return _drained_result(migration, drained)


def _drained_result(migration: Migration, drained: Drained) -> CommandResult:
    name = migration.mapping.migration
    document: dict[str, JsonValue] = {
        "migration": name,
        "counts": dict(drained.counts),
        "marks": drained.marks,
        "set_apart": [{"item_type": one.item_type, "problem": one.problem} for one in drained.set_apart],
    }
    lines = [
        f"relay of {name}: drained; {_counted(drained.counts)}; {drained.marks:,} marks expanded",
        *(f"  set apart, {one.item_type}: {one.problem}" for one in drained.set_apart[:_SHOWN]),
    ]
    if len(drained.set_apart) > _SHOWN:
        lines.append(f"  … {len(drained.set_apart):,} items are set apart; each one's row in crossover.item says why")
    return CommandResult(document, lines, Exit.INCONSISTENT if drained.set_apart else Exit.DONE)


def _counted(counts: Counter[str]) -> str:
    told = ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()) if count)
    return told or "nothing was undelivered"


def _status(migration: Migration, url: str) -> CommandResult:
    from pipelines.deliver.opened import opened_ledger
    from pipelines.source.ledger.health import read_health

    with opened_ledger(migration, url) as ledger:
        health = read_health(ledger.session, ledger.item_types)
    return CommandResult(_health_document(migration, health), _health_lines(migration, health))


def _health_document(migration: Migration, health: Health) -> dict[str, JsonValue]:
    return {
        "migration": migration.mapping.migration,
        "epoch": health.epoch,
        "paused": health.paused,
        "marks": health.marks,
        "undelivered": health.undelivered,
        "oldest_seconds": round(health.oldest_seconds, 3),
        "relays": [
            {
                "holder": one.holder,
                "running_seconds": round(one.running_seconds, 1),
                "unheard_seconds": round(one.unheard_seconds, 1),
            }
            for one in health.relays
        ],
        "item_types": {one.item_type: _counts(one) for one in health.item_types},
    }


def _health_lines(migration: Migration, health: Health) -> list[str]:
    name, paused = migration.mapping.migration, "PAUSED, " if health.paused else ""
    at_work = f"{len(health.relays)} relays at work" if health.relays else "no relay is at work"
    lines = [
        f"relay of {name}: epoch {health.epoch}, {paused}{at_work}, "
        f"{health.marks:,} marks to expand, the oldest change is undelivered for {health.oldest_seconds:.1f} s at most"
    ]
    for one in health.item_types:
        lines.append(
            f"  {one.item_type}: {one.undelivered:,} undelivered ({one.leased:,} under a lease, {one.failing:,} tried "
            f"in vain, {one.set_apart:,} of them set apart), {one.rejected:,} rejected"
        )
        lines += [f"    {error}" for error in one.errors[:_SHOWN]]
    return lines


def _counts(one: Backlog) -> dict[str, JsonValue]:
    return {
        "undelivered": one.undelivered,
        "leased": one.leased,
        "failing": one.failing,
        "set_apart": one.set_apart,
        "rejected": one.rejected,
        "errors": list(one.errors),
    }


def _set_paused(migration: Migration, url: str, paused: bool) -> CommandResult:
    from pipelines.deliver.opened import opened_ledger
    from pipelines.source.ledger.health import set_paused

    with opened_ledger(migration, url) as ledger:
        set_paused(ledger.session, paused)
    name = migration.mapping.migration
    told = "paused; changes are kept in the ledger until --resume" if paused else "resumed"
    return CommandResult({"migration": name, "paused": paused}, [f"relay of {name}: {told}"])


def _replay(migration: Migration, url: str, item_type: str, key: str | None) -> CommandResult:
    from pipelines.deliver.opened import opened_ledger
    from pipelines.relay.replay import replay

    with opened_ledger(migration, url) as ledger:
        replay(ledger, item_type, key)
    name = migration.mapping.migration
    what = f"all of {item_type}" if key is None else f"{item_type} {key}"
    return CommandResult(
        {"migration": name, "item_type": item_type, "key": key},
        [f"relay of {name}: {what} is to be delivered once more, by the relay or by --drain"],
    )


RELAY = Command(
    "relay", "deliver what has changed in the source to DynamoDB, until it is stopped", _relay_arguments, _relay
)
