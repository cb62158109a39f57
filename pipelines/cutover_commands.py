"""The command `crossover cutover`: where the migration stands, the gates to the next state, and the steps."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipelines.command import (
    ENTRY_POINTS,
    Command,
    CommandResult,
    add_drain_seconds_argument,
    add_mapping_argument,
)
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.cutover.advance import Moved
    from pipelines.cutover.kept import Status
    from pipelines.cutover.thresholds import Thresholds
    from pipelines.migration import Migration
    from pipelines.target.control_table import ControlTable

_WHATS = ("status", "advance", "rollback")
_OLDEST_HOURS = 24 * 366


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument(
        "what",
        metavar="WHAT",
        nargs="?",
        choices=_WHATS,
        default="status",
        help="status (default): the state, and the gates to the next; advance: take it; rollback: one state back",
    )
    parser.add_argument("--confirm", metavar="MIGRATION", help="with the last advance: the migration's name")
    add_drain_seconds_argument(parser)
    parser.add_argument(
        "--by-streams",
        action="store_true",
        help="with rollback: writers wait for DynamoDB's streams alone, not until all items are compared",
    )
    group = parser.add_argument_group("how much evidence is asked for")
    group.add_argument("--verifications", type=int, metavar="K", help="good ones in a row; 3 unless given")
    group.add_argument("--max-age-hours", type=float, metavar="H", help="of the newest one; 36 unless given")
    group.add_argument("--calls", type=int, metavar="N", help="of each query; 1,000 unless given")
    group.add_argument("--hours", type=int, metavar="H", help="in which, and for how long; 24 unless given, 48 at most")
    group.add_argument("--mismatches", metavar="SHARE", help="of the compared answers; 0.1%% unless given")


def _cutover(arguments: argparse.Namespace) -> CommandResult:
    from datetime import UTC, datetime

    from pipelines.cutover.advance import rollback, stores_back
    from pipelines.cutover.kept import keep_status
    from pipelines.cutover.status import look
    from pipelines.migration import Migration
    from pipelines.target.control_table import ControlTable

    thresholds = _thresholds(arguments)
    if arguments.confirm is not None and arguments.what != "advance":
        raise UsageError("--confirm: only with advance")
    if arguments.by_streams and arguments.what != "rollback":
        raise UsageError("--by-streams: only with rollback")
    if arguments.drain_seconds is not None and arguments.what == "status":
        raise UsageError("--drain-seconds: only with advance or rollback")
    migration = Migration.open(arguments.mapping)
    table = ControlTable.of(migration.mapping.migration)
    if arguments.what == "advance":
        return _advance(migration, table, thresholds, arguments)
    if arguments.what == "rollback":
        work = stores_back(migration, table, drain_seconds=arguments.drain_seconds, by_streams=arguments.by_streams)
        return _moved(migration, rollback(migration, table, thresholds, work))
    status, _ = look(migration, table, datetime.now(UTC), thresholds)
    keep_status(migration.folder, status)
    return CommandResult(_document(status), _lines(status))


def _advance(
    migration: Migration, table: ControlTable, thresholds: Thresholds, arguments: argparse.Namespace
) -> CommandResult:
    from pipelines.cutover.advance import advance, stores_forward
    from pipelines.cutover.record import read_standing
    from pipelines.cutover.states import State

    name, confirm = migration.mapping.migration, arguments.confirm
    if confirm not in (None, name):
        raise UsageError(f"--confirm {confirm}: the migration's name is {name}")
    if read_standing(table).following is State.DECOMMISSIONED and confirm is None:
        raise UsageError(
            f"the next state of {name} is {State.DECOMMISSIONED}, from which there is no way back: --confirm {name}"
        )
    work = stores_forward(migration, table, thresholds, _verify, drain_seconds=arguments.drain_seconds)
    return _moved(migration, advance(migration, table, thresholds, work))


def _verify(migration: Migration) -> str:
    """By the registered command, which lies above the engine: with its report, everything compared."""
    from importlib.metadata import entry_points

    (verify,) = [point.load() for point in entry_points(group=ENTRY_POINTS, name="verify")]
    parser = argparse.ArgumentParser()
    verify.add_arguments(parser)
    result: CommandResult = verify.run(parser.parse_args([str(migration.path)]))
    return str(result.document["run_id"])


def _thresholds(arguments: argparse.Namespace) -> Thresholds:
    from pipelines.cutover.readings import LOOK_BACK_HOURS
    from pipelines.cutover.thresholds import Thresholds

    usual = Thresholds()
    given = {name: getattr(arguments, name) for name in ("verifications", "max_age_hours", "calls", "hours")}
    for name, value in given.items():
        if value is not None and not value > 0:
            raise UsageError(f"--{name.replace('_', '-')} {value}: give a number above 0")
    if given["hours"] is not None and given["hours"] > LOOK_BACK_HOURS - 24:
        raise UsageError(f"--hours {given['hours']}: {LOOK_BACK_HOURS - 24} at most")
    if given["max_age_hours"] is not None and given["max_age_hours"] > _OLDEST_HOURS:
        raise UsageError(f"--max-age-hours {given['max_age_hours']:g}: {_OLDEST_HOURS:,} at most")
    chosen = {name: value for name, value in given.items() if value is not None}
    mismatches = usual.mismatches if arguments.mismatches is None else _share(arguments.mismatches)
    return Thresholds(**chosen, mismatches=mismatches)


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UsageError(f"--mismatches {text}: give a share from 0, below 1: 0.001 or 0.1%")
    return share


def _document(status: Status) -> dict[str, JsonValue]:
    from pipelines.cutover.record import gate_document

    return {
        "migration": status.migration,
        **status.standing.document(),
        "next": status.following.value if status.following is not None else None,
        "ready": status.following is not None and not status.missing,
        "gates": [gate_document(gate) for gate in status.gates],
    }


def _lines(status: Status) -> list[str]:
    standing = status.standing
    since = f", since {standing.since:%Y-%m-%d %H:%M} UTC by {standing.by}" if standing.since is not None else ""
    lines = [f"{status.migration}: {standing.name}{since}"]
    if standing.moving is not None:
        lines.append(
            f"  the step to {standing.moving} was begun and has not ended: `advance` goes on, `rollback` undoes it"
        )
    if status.following is None:
        return lines
    lines.append(f"next: {status.following}" + ("" if status.missing else "; all that it asks for is there: `advance`"))
    for gate in status.gates:
        lines.append(f"  {'✓' if gate.passed else '✗'} {gate.line}")
    return lines


def _moved(migration: Migration, moved: Moved) -> CommandResult:
    name = migration.mapping.migration
    return CommandResult(
        {"migration": name, "from": moved.of, "to": moved.to.value, "did": list(moved.lines)},
        [f"{name}: {moved.of} -> {moved.to}", *(f"  {line}" for line in moved.lines)],
    )


COMMAND = Command(
    "cutover", "where the migration stands, the gates to the next state, and the steps", _arguments, _cutover
)
