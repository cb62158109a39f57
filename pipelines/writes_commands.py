"""The command `crossover writes`: which store takes the writes of each group of item types, and the switch."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, Exit, add_drain_seconds_argument, add_mapping_argument
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.migration import Migration
    from pipelines.source.ledger.masters import Phase
    from pipelines.writes.state import GroupState
    from pipelines.writes.switch import Switched


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument("group", metavar="GROUP", nargs="?", help="its name, or that of one of its item types; all")
    parser.add_argument(
        "phase", metavar="PHASE", nargs="?", help="switch it to rds_first, dynamodb_first or dynamodb_only"
    )
    parser.add_argument("--abort", action="store_true", help="take a fence down: writes go on where the phase says")
    add_drain_seconds_argument(parser)
    parser.add_argument(
        "--by-streams",
        action="store_true",
        help="with rds_first: writers wait for DynamoDB's streams alone, not until all items are compared",
    )


def _writes(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.migration import Migration
    from pipelines.source.connect import source_url

    phase = _wanted(arguments)
    migration = Migration.open(arguments.mapping)
    url = source_url(migration.mapping)
    if phase is None and not arguments.abort:
        return _shown(migration, url, arguments.group)
    return _switched(migration, url, arguments, phase)


def _wanted(arguments: argparse.Namespace) -> Phase | None:
    from pipelines.source.ledger.masters import Phase

    if arguments.abort and (arguments.group is None or arguments.phase is not None):
        raise UsageError("--abort: with GROUP and without PHASE")
    if arguments.drain_seconds is not None and arguments.phase is None:
        raise UsageError("--drain-seconds: only with GROUP and PHASE")
    if arguments.by_streams and arguments.phase != Phase.RDS_FIRST:
        raise UsageError("--by-streams: only with PHASE rds_first")
    if arguments.phase is None:
        return None
    if arguments.phase not in [*Phase]:
        raise UsageError(f"PHASE {arguments.phase}: use one of {', '.join(Phase)}")
    return Phase(arguments.phase)


def _shown(migration: Migration, url: str, group: str | None) -> CommandResult:
    from pipelines.mapping.groups import named_group
    from pipelines.writes.state import read_state

    states = read_state(migration, url)
    if group is not None:
        named = named_group([one.group for one in states], group)
        if named is None:
            raise UsageError(f"GROUP {group}: no such group; there are {', '.join(one.group.name for one in states)}")
        states = tuple(one for one in states if one.group == named)
    document: dict[str, JsonValue] = {
        "migration": migration.mapping.migration,
        "groups": {one.group.name: _document(one) for one in states},
    }
    lines = [line for one in states for line in _lines(one)]
    is_settled = not any(one.problems for one in states)
    return CommandResult(document, lines, Exit.DONE if is_settled else Exit.INCONSISTENT)


def _document(one: GroupState) -> dict[str, JsonValue]:
    return {
        "item_types": list(one.group.item_types),
        "tables": [str(table) for table in one.group.tables],
        "phase": one.phase.value,
        "fenced": one.fenced,
        "since": None if one.since is None else one.since.isoformat(timespec="seconds"),
        "problems": list(one.problems),
        "next": None if one.next is None else one.next.value,
        "missing": list(one.missing),
    }


def _lines(one: GroupState) -> list[str]:
    fenced = ", FENCED" if one.fenced else ""
    since = "" if one.since is None else f", since {one.since.isoformat(sep=' ', timespec='seconds')}"
    lines = [f"{one.group.name}: {one.phase}{fenced}{since}"]
    lines += [f"  {problem}" for problem in one.problems]
    if one.missing:
        lines += [f"  missing for {one.next}:", *(f"    {line}" for line in one.missing)]
    elif one.next is not None and not one.problems:
        lines.append(f"  nothing is missing for {one.next}")
    return lines


def _switched(migration: Migration, url: str, arguments: argparse.Namespace, phase: Phase | None) -> CommandResult:
    from pipelines.writes.switch import abort, switch

    if phase is None:
        return _result(migration, abort(migration, url, arguments.group))
    return _result(
        migration,
        switch(
            migration,
            url,
            arguments.group,
            phase,
            drain_seconds=arguments.drain_seconds,
            by_streams=arguments.by_streams,
        ),
    )


def _result(migration: Migration, done: Switched) -> CommandResult:
    document: dict[str, JsonValue] = {
        "migration": migration.mapping.migration,
        "group": done.group,
        "was": done.was.value,
        "phase": done.phase.value,
        "changed": done.changed,
        "blocked_seconds": None if done.blocked_seconds is None else round(done.blocked_seconds, 3),
        "notes": list(done.notes),
    }
    told = f"{done.was} -> {done.phase}" if done.changed else f"at {done.phase}"
    waited = "" if done.blocked_seconds is None else f"; writers waited {done.blocked_seconds:.1f} s"
    return CommandResult(document, [f"{done.group}: {told}{waited}", *(f"  {note}" for note in done.notes)])


COMMAND = Command("writes", "show or switch which store takes the writes of each group", _arguments, _writes)
