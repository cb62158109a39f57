"""The command `crossover repair`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, Exit, add_mapping_argument
from pipelines.errors import UsageError
from pipelines.repair.askable import ASKABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from pipelines.judging.verdict import Verdict
    from pipelines.migration import Migration

_UNMAPPED = "(no item type)"


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument(
        "--run", required=True, metavar="RUN", help="the verification, or diff, whose differences it is"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--apply", action="store_true", help="repair them, keeping the old items; else only say what would"
    )
    what.add_argument("--undo", action="store_true", help="put the old items back where nothing has changed since")
    parser.add_argument(
        "--verdict",
        action="append",
        choices=[one.value for one in ASKABLE],
        default=[],
        metavar="V",
        help=f"only differences of this verdict, once for each: {', '.join(ASKABLE[:-1])}, and {ASKABLE[-1]}, "
        "which is left alone unless it is named",
    )


def _repair(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.judging.verdict import Verdict
    from pipelines.migration import Migration

    if arguments.undo and arguments.verdict:
        raise UsageError("--verdict: not with --undo, which takes back the whole repair")
    migration = Migration.open(arguments.mapping)
    asked = frozenset(Verdict(name) for name in arguments.verdict)
    if arguments.undo:
        return _undo(migration, arguments.run)
    return (_apply if arguments.apply else _plan)(migration, arguments.run, asked)


def _plan(migration: Migration, run_id: str, asked: frozenset[Verdict]) -> CommandResult:
    from pipelines.repair.decision import Standing
    from pipelines.repair.plan import plan_repair

    tally = plan_repair(migration, run_id, asked)
    standings, item_types, reasons = tally.standings(), tally.item_types(), tally.reasons()
    samples = [one for some in tally.samples.values() for one in some if one.standing != Standing.NO_LONGER]
    repairable = standings[Standing.REPAIRABLE.value]
    lines = [
        f"repair of run {run_id}: {repairable:,} of {standings.total():,} differences would be repaired",
        *_lines(item_types, reasons),
        *(f"  e.g. {one.item_type or _UNMAPPED}, {one.verdict}: {one.table} {one.key}" for one in samples),
        *(["nothing was written; --apply does it"] if repairable else []),
    ]
    document: dict[str, JsonValue] = {
        "run_id": run_id,
        "judged": standings.total(),
        **{name: standings[name] for name in _PLANNED},
        "item_types": _as_json(item_types),
        "reasons": {**reasons},
        "samples": [asdict(one) for one in samples],
    }
    return CommandResult(document, lines)


def _apply(migration: Migration, run_id: str, asked: frozenset[Verdict]) -> CommandResult:
    from pipelines.repair.apply import apply_repair

    manifest = apply_repair(migration, run_id, asked)
    counts = {name: getattr(manifest, name) for name in _ENDED}
    lines = [
        f"repair {manifest.id} of run {run_id}: "
        + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()),
        *_lines(manifest.item_types, manifest.reasons),
        "verify again; --undo puts the old items back",
    ]
    document: dict[str, JsonValue] = {
        "repair_id": manifest.id,
        "run_id": run_id,
        **counts,
        "item_types": _as_json(manifest.item_types),
        "reasons": {**manifest.reasons},
    }
    return CommandResult(document, lines, Exit.INCONSISTENT if manifest.failed else Exit.DONE)


def _undo(migration: Migration, run_id: str) -> CommandResult:
    from pipelines.repair.undo import undo_repair

    undone = undo_repair(migration, run_id)
    document: dict[str, JsonValue] = {
        "repair_id": undone.repair_id,
        "run_id": run_id,
        "undone": undone.undone,
        "left": {**undone.left},
    }
    lines = [
        f"repair {undone.repair_id} of run {run_id}: {undone.undone:,} items are as they were",
        *(f"  {count:,} left as they are: {reason}" for reason, count in undone.left.items()),
    ]
    return CommandResult(document, lines, Exit.INCONSISTENT if undone.left else Exit.DONE)


def _as_json(item_types: Mapping[str, Mapping[str, Mapping[str, int]]]) -> JsonValue:
    return {
        name: {verdict: {**counts} for verdict, counts in verdicts.items()} for name, verdicts in item_types.items()
    }


def _lines(item_types: Mapping[str, Mapping[str, Mapping[str, int]]], reasons: Mapping[str, int]) -> list[str]:
    counted = [
        f"  {item_type or _UNMAPPED}, {verdict}: "
        + ", ".join(f"{count:,} {standing.replace('_', ' ')}" for standing, count in standings.items())
        for item_type, verdicts in item_types.items()
        for verdict, standings in verdicts.items()
    ]
    return [*counted, *(f"  {count:,}: {reason}" for reason, count in reasons.items())]


_PLANNED = ("repairable", "no_longer_different", "pending", "not_repairable")
_ENDED = ("judged", "repaired", "no_longer_different", "pending", "not_repairable", "failed")

COMMAND = Command("repair", "make right what a run found wrong", _arguments, _repair)
