"""The command `crossover route`: from which store each query is answered, and what speaks for it."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, add_mapping_argument
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pipelines.routing.changing import Standing
    from pipelines.routing.stage import Stage
    from pipelines.target.control_table import ControlTable


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument("query", metavar="QUERY", nargs="?", help="its name; all of them unless given")
    parser.add_argument("stage", metavar="STAGE", nargs="?", help="set it to rds, shadow, canary or dynamodb")
    parser.add_argument("--share", metavar="N", help="with canary: of the keys, above 0 and below 1, or 5%%")
    parser.add_argument("--force", action="store_true", help="without the evidence that is asked for; it is on record")


def _route(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.mapping.load import load_mapping
    from pipelines.target.control_table import ControlTable

    stage, share = _wanted(arguments)
    migration = load_mapping(arguments.mapping).migration
    table = ControlTable.of(migration)
    now = datetime.now(UTC)
    if stage is None:
        return _shown(migration, table, arguments.query, now)
    return _changed(arguments, migration, table, stage, share, now)


def _wanted(arguments: argparse.Namespace) -> tuple[Stage | None, float]:
    from pipelines.routing.stage import Stage

    if arguments.query is not None and (not arguments.query or "#" in arguments.query):
        raise UsageError("QUERY: a name without #")
    if arguments.stage is None:
        if arguments.share or arguments.force:
            raise UsageError("--share, --force: only with QUERY and STAGE")
        return None, 0.0
    if arguments.stage not in [*Stage]:
        raise UsageError(f"STAGE {arguments.stage}: use one of {', '.join(Stage)}")
    stage = Stage(arguments.stage)
    if (stage is Stage.CANARY) != (arguments.share is not None):
        raise UsageError("--share: with canary, and only there; a share of the keys, 5%")
    return stage, 0.0 if arguments.share is None else _share(arguments.share)


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UsageError(f"--share {text}: give a share above 0 and below 1, 0.05 or 5%")
    return share


def _shown(migration: str, table: ControlTable, query: str | None, now: datetime) -> CommandResult:
    from pipelines.routing.changing import queries, standing
    from pipelines.target.control_table import NoControlTableError

    try:
        found = [standing(table, name, now) for name in ([query] if query else queries(table))]
    except NoControlTableError:
        note = f"no control table {table.name} yet: every query is at rds"
        return CommandResult({"migration": migration, "queries": {}, "note": note}, [note])
    return CommandResult(
        {"migration": migration, "queries": {one.query: one.document() for one in found}},
        [line for one in found for line in _lines(one)] + (_unknown(table, query) if query else [])
        or ["no query has made itself known yet"],
    )


def _lines(one: Standing) -> list[str]:
    setting, evidence = one.setting, one.evidence
    share = f" {setting.share:.2%}" if setting.share else ""
    since = f", since {setting.changed_at[:16]} by {setting.by}{', forced' if setting.forced else ''}"
    lines = [f"{one.query}: {setting.stage}{share}{since if setting.version else ''}"]
    lines.append(
        f"  {evidence.compared:,} compared, {evidence.mismatches:,} differ; RDS with itself: "
        f"{evidence.counts['noise_compared']:,} compared, {evidence.counts['noise_mismatches']:,} differ"
    )
    told = ("candidate_errors", "candidate_late", "shadow_dropped", "dynamodb_errors", "dynamodb_late", "fallbacks")
    counted = [f"{name} {evidence.counts[name]:,}" for name in told if evidence.counts[name]]
    return [*lines, f"  {', '.join(counted)}"] if counted else lines


def _changed(
    arguments: argparse.Namespace, migration: str, table: ControlTable, stage: Stage, share: float, now: datetime
) -> CommandResult:
    from pipelines.routing.changing import change, standing

    table.create()
    was = standing(table, arguments.query, now)
    setting = change(table, was, stage, share, now, force=arguments.force)
    forced = ", forced" if setting.forced else ""
    return CommandResult(
        {"migration": migration, "query": arguments.query, **setting.document(), "version": setting.version},
        [
            f"{arguments.query}: {was.setting.stage} -> {setting.stage}{f' {share:.2%}' if share else ''}{forced}",
            *_unknown(table, arguments.query),
        ],
    )


def _unknown(table: ControlTable, query: str) -> list[str]:
    """A name may be mistyped, or the application not started yet."""
    from pipelines.target.control_table import Key

    return [] if table.get(Key("queries", query)) else ["  no application has made itself known with it"]


COMMAND = Command("route", "show or set from which store each query is answered", _arguments, _route)
