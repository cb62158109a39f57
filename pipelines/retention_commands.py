"""The commands `crossover runs` and `crossover prune`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, add_mapping_argument

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.retention.prune import PrunePlan
    from pipelines.retention.runs import Run


def _runs(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.migration import Migration
    from pipelines.retention.runs import runs_of

    migration = Migration.open(arguments.mapping)
    runs = runs_of(migration.folder)
    lines = [f"{run.stage:<10} {run.id:<32} {_state(run)}" for run in runs]
    document: dict[str, JsonValue] = {
        "migration": migration.mapping.migration,
        "runs": [_document(run) for run in runs],
    }
    return CommandResult(document, lines or [f"{migration.mapping.migration}: no run lies in {migration.folder.root}"])


def _state(run: Run) -> str:
    at = f" {run.at:%Y-%m-%d %H:%M:%S} UTC" if run.at is not None else ""
    if run.problem:
        return f"{run.problem}{at}"
    return f"{'finished' if run.is_finished else 'unfinished, last written'}{at}"


def _document(run: Run) -> dict[str, JsonValue]:
    manifest = run.manifest
    return {
        "stage": run.stage,
        "id": run.id,
        "finished": run.is_finished,
        "started_at": manifest.started_at.isoformat() if manifest is not None else None,
        "at": run.at.isoformat() if run.at is not None else None,
        "mapping_hash": manifest.mapping_hash if manifest is not None else None,
        "problem": run.problem or None,
    }


def _prune_arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument("--apply", action="store_true", help="do it; without it the command says what it would do")


def _prune(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.migration import Migration
    from pipelines.retention.prune import plan_prune, prune

    migration = Migration.open(arguments.mapping)
    plan = prune(migration) if arguments.apply else plan_prune(migration)
    return CommandResult(
        _prune_document(migration.mapping.migration, plan, arguments.apply), _told(plan, arguments.apply)
    )


def _prune_document(migration: str, plan: PrunePlan, applied: bool) -> dict[str, JsonValue]:
    return {
        "migration": migration,
        "applied": applied,
        "removed": [{"stage": one.run.stage, "id": one.run.id, "why": one.why} for one in plan.removals],
        "in_use": [{"stage": run.stage, "id": run.id} for run in plan.in_use],
    }


def _told(plan: PrunePlan, applied: bool) -> list[str]:
    lines = [
        *(
            f"{'removed' if applied else 'would remove'} {one.run.stage} {one.run.id}: {one.why}"
            for one in plan.removals
        ),
        *(f"kept {run.stage} {run.id}: in use" for run in plan.in_use),
    ]
    return lines or ["nothing is to be removed"]


RUNS = Command("runs", "list what has been run, and what is unfinished", add_mapping_argument, _runs)
PRUNE = Command("prune", "take away the runs that the mapping's retention does not keep", _prune_arguments, _prune)
