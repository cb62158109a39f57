"""`crossover relay M --reverse`: the service, and its drain, status and resync."""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from pipelines.command import CommandResult, Exit
from pipelines.errors import UsageError
from pipelines.progress import Progress, tell

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.migration import Migration
    from pipelines.reverse.drain import Resynced, ReverseDrained
    from pipelines.reverse.health import ReverseHealth
    from pipelines.reverse.serve import Report

_FORWARD_ONLY = ("pause", "resume", "replay")


def reverse_relay(migration: Migration, url: str, arguments: argparse.Namespace) -> CommandResult:
    """Raises UsageError for what only the forward relay has."""
    for name in _FORWARD_ONLY:
        if getattr(arguments, name):
            raise UsageError(f"--{name} is the forward relay's; it means nothing with --reverse")
    if arguments.metrics:
        raise UsageError("--metrics is the forward relay's; with --reverse, `--status --json` tells lag and what waits")
    if arguments.status:
        return _status(migration, url)
    if arguments.drain:
        return _drain(migration, url)
    if arguments.resync:
        return _resync(migration, url)
    return _serve(migration, url, arguments.idle_seconds)


def _serve(migration: Migration, url: str, idle_seconds: float) -> CommandResult:
    from pipelines.relay.serve import stopped_by_signals
    from pipelines.reverse.serve import Options, serve_reverse

    name = migration.mapping.migration
    with stopped_by_signals() as stop:
        tally = serve_reverse(migration, url, Options(idle_seconds), stop, _say)
    document: dict[str, JsonValue] = {"migration": name, "counts": dict(tally.counts)}
    return CommandResult(document, [f"reverse relay of {name}: stopped; {_counted(tally.counts)}"])


def _say(report: Report) -> None:
    if report.health is None:
        tell(f"reverse relay: {report.problem}; it goes on when that has passed")
        return
    health, applied = report.health, report.tally.counts["applied"]
    lag = "not caught up yet" if health.lag_seconds is None else f"{health.lag_seconds:.1f} s behind"
    apart = f" ({health.set_apart:,} set apart)" if health.set_apart else ""
    resync = f"; RESYNC NEEDED: {health.resync}" if health.resync else ""
    tell(f"reverse relay: {applied:,} items applied so far, {health.waiting:,} waiting{apart}, {lag}{resync}")
    for why, count in report.waits:
        tell(f"reverse relay: {count:,} wait: {why}")


def _drain(migration: Migration, url: str) -> CommandResult:
    from pipelines.reverse.drain import drain_reverse

    with Progress("reverse relay", None, "items") as progress:
        drained = drain_reverse(migration, url, progress)
    name = migration.mapping.migration
    lines = [
        f"reverse relay of {name}: drained; {drained.applied:,} items applied, "
        f"{_waiting(drained.waiting, drained.set_apart)}",
        *(f"  waits: {problem}" for problem in drained.problems),
    ]
    return CommandResult({"migration": name, **_plain(drained)}, lines, _exit(drained.waiting))


def _resync(migration: Migration, url: str) -> CommandResult:
    from pipelines.reverse.drain import resync

    with Progress("resync", None, "items") as progress:
        found = resync(migration, url, progress)
    name = migration.mapping.migration
    foreign = f", {found.foreign:,} without a version left alone" if found.foreign else ""
    lines = [
        f"reverse relay of {name}: {found.compared:,} items compared, {found.applied:,} applied, "
        f"{_waiting(found.waiting, found.set_apart)}{foreign}",
        *(f"  waits: {problem}" for problem in found.problems),
    ]
    return CommandResult({"migration": name, **_plain(found)}, lines, _exit(found.waiting))


def _status(migration: Migration, url: str) -> CommandResult:
    from pipelines.reverse.health import read_reverse_health, waiting_problems
    from pipelines.source.connect import connect, identity
    from pipelines.source.server_error import in_one_line

    name = migration.mapping.migration
    with in_one_line(identity(url), "the ledger could not be read"), closing(connect(url)) as connection:
        health = read_reverse_health(connection, name)
        problems = waiting_problems(connection, name) if health.waiting else ()
    lines = [_standing(name, health)]
    if health.resync is not None:
        lines.append(f"  to be read again: {health.resync}; run `crossover relay … --reverse --resync`")
    lines += [f"  {count:,} wait: {problem}" for problem, count in problems]
    told: list[JsonValue] = [{"problem": one, "items": count} for one, count in problems]
    document: dict[str, JsonValue] = {"migration": name, **_plain(health), "problems": told}
    return CommandResult(document, lines)


def _standing(name: str, health: ReverseHealth) -> str:
    at_work = "at work" if health.running else "not at work"
    lag = "it has never caught up" if health.lag_seconds is None else f"{health.lag_seconds:.1f} s behind"
    return f"reverse relay of {name}: {at_work}, {lag}, {_waiting(health.waiting, health.set_apart)}"


def _waiting(waiting: int, set_apart: int) -> str:
    return f"{waiting:,} wait, {set_apart:,} of them set apart" if waiting else "none waits"


def _plain(one: ReverseHealth | ReverseDrained | Resynced) -> dict[str, JsonValue]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(one).items()}


def _exit(waiting: int) -> Exit:
    return Exit.INCONSISTENT if waiting else Exit.DONE


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()) if count) or "nothing was told"
