"""The command `crossover route`: from which store each query is answered, and what speaks for it."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, add_mapping_argument
from pipelines.errors import TargetError, UsageError

if TYPE_CHECKING:
    from pipelines.routing.changing import Standing
    from pipelines.routing.evidence import Evidence
    from pipelines.routing.samples import Sample
    from pipelines.routing.stage import Setting, Stage
    from pipelines.target.control_table import ControlTable

_MOST_PATHS = 4


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument("query", metavar="QUERY", nargs="?", help="its name; all of them unless given")
    parser.add_argument("stage", metavar="STAGE", nargs="?", help="set it to rds, shadow, canary or dynamodb")
    parser.add_argument("--share", metavar="N", help="with canary: of the keys; with shadow: of the calls; 0.05 or 5%%")
    parser.add_argument("--force", action="store_true", help="without the evidence that is asked for; it is on record")
    parser.add_argument("--forget", action="store_true", help="a QUERY that no application asks any more")


def _route(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.mapping.load import load_mapping
    from pipelines.target.control_table import ControlTable

    stage, share = _wanted(arguments)
    migration = load_mapping(arguments.mapping).migration
    table = ControlTable.of(migration)
    now = datetime.now(UTC)
    if arguments.forget:
        return _forgotten(migration, table, arguments.query, now)
    if stage is None:
        return _shown(migration, table, arguments.query, now)
    return _changed(arguments, migration, table, stage, share, now)


def _wanted(arguments: argparse.Namespace) -> tuple[Stage | None, float]:
    from pipelines.routing.stage import Stage

    if arguments.query is not None and (not arguments.query or "#" in arguments.query):
        raise UsageError("QUERY: a name without #")
    if arguments.forget and (arguments.query is None or arguments.stage or arguments.share or arguments.force):
        raise UsageError("--forget: with QUERY, and nothing else")
    if arguments.stage is None:
        if arguments.share or arguments.force:
            raise UsageError("--share, --force: only with QUERY and STAGE")
        return None, 1.0
    if arguments.stage not in [*Stage]:
        raise UsageError(f"STAGE {arguments.stage}: use one of {', '.join(Stage)}")
    stage = Stage(arguments.stage)
    if arguments.share is None:
        if stage is Stage.CANARY:
            raise UsageError("canary: with --share, of the keys, 5%")
        return stage, 1.0
    if stage not in (Stage.SHADOW, Stage.CANARY):
        raise UsageError("--share: with shadow and canary alone")
    return stage, _share(arguments.share)


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
    """Stage; what was compared; failures; how long answers take; differences. Of times, the median and p99."""
    from pipelines.routing.samples import HOURS

    setting, evidence = one.setting, one.evidence
    share = _told_share(setting)
    since = f", since {setting.changed_at[:16]} by {setting.by}{', forced' if setting.forced else ''}"
    lines = [f"{one.query}: {setting.stage}{share}{since if setting.version else ''}"]
    lines.append(
        f"  {evidence.compared:,} compared, {evidence.mismatches:,} differ; RDS with itself: "
        f"{evidence.counts['noise_compared']:,} compared, {evidence.counts['noise_mismatches']:,} differ"
    )
    told = ("candidate_errors", "candidate_late", "shadow_dropped", "dynamodb_errors", "dynamodb_late", "fallbacks")
    counted = [f"{name} {evidence.counts[name]:,}" for name in told if evidence.counts[name]]
    lines += [f"  {', '.join(counted)}"] if counted else []
    lines += [f"  p50/p99 ms: {', '.join(times)}"] if (times := _times(evidence)) else []
    if one.samples:
        lines.append(f"  differences, first of each kind in the last {HOURS} hours:")
    return [*lines, *(f"    {_told_sample(sample)}" for sample in one.samples)]


def _told_share(setting: Setting) -> str:
    from pipelines.routing.stage import Stage

    of_keys = f" {setting.share:.2%}" if setting.stage is Stage.CANARY else ""
    if setting.shadow_share == 1 or setting.stage not in (Stage.SHADOW, Stage.CANARY):
        return of_keys
    return f"{of_keys}, {setting.shadow_share:.2%} of calls in shadow"


def _times(evidence: Evidence) -> list[str]:
    """`candidate`: DynamoDB's answers in shadow; `dynamodb`: those that callers have waited for."""
    from pipelines.routing.histogram import quantile

    found = []
    for whose in ("rds", "candidate", "dynamodb"):
        marks = [quantile(evidence.durations.get(whose, {}), q) for q in (0.5, 0.99)]
        if None not in marks:
            found.append(f"{whose} " + "/".join(f"{(mark or 0) * 1000:.3g}" for mark in marks))
    return found


def _told_sample(sample: Sample) -> str:
    shown = [f"{one.path or 'the answer'} {one.kind}" for one in sample.differences[:_MOST_PATHS]]
    more = len(sample.differences) - len(shown)
    return f"{sample.at:%Y-%m-%dT%H:%M:%S}Z {', '.join(shown)}{f' and {more} more' if more else ''}"


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
            f"{arguments.query}: {was.setting.stage} -> {setting.stage}{_told_share(setting)}{forced}",
            *_unknown(table, arguments.query),
            *_unexpiring(table),
        ],
    )


def _forgotten(migration: str, table: ControlTable, query: str, now: datetime) -> CommandResult:
    from pipelines.routing.changing import forget, standing

    was = standing(table, query, now)
    setting = forget(table, was, now)
    return CommandResult(
        {"migration": migration, "query": query, **setting.document(), "version": setting.version, "forgotten": True},
        [f"{query}: forgotten, was at {was.setting.stage}; it counts again once an application asks it"],
    )


def _unexpiring(table: ControlTable) -> list[str]:
    """The stage is set, whatever comes of this."""
    try:
        table.let_rows_expire()
    except TargetError as error:
        return [f"  counts will stay for ever: {error}"]
    return []


def _unknown(table: ControlTable, query: str) -> list[str]:
    """A name may be mistyped, or the application not started yet."""
    from pipelines.routing.changing import is_known

    return [] if is_known(table, query) else ["  no application has made itself known with it"]


COMMAND = Command("route", "show or set from which store each query is answered", _arguments, _route)
