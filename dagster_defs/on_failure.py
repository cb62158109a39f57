"""Tells somebody: runs the command of CROSSOVER_ON_FAILURE when a run has failed, or has found the stores unequal.

Sensors of Dagster do it, which the daemon that starts scheduled runs evaluates, too; each run is told once.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from dagster_defs.checks import CONSISTENT
from dagster_defs.step import group_of
from pipelines.errors import UsageError
from pipelines.settings import optional

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

ON_FAILURE = "CROSSOVER_ON_FAILURE"
SECONDS = 60.0
"""That the command may take."""


def failure_sensors(
    migration: str, backfill: dg.JobDefinition, verify: UnresolvedAssetJobDefinition
) -> list[dg.SensorDefinition]:
    """None where CROSSOVER_ON_FAILURE is not set. Raises UsageError where it is no command line."""
    line = optional(ON_FAILURE)
    return [] if line is None else sensors(migration, [backfill, verify], verify, command_of(line))


def command_of(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{ON_FAILURE}: no command line ({error}); quote what belongs together") from None


def sensors(
    migration: str,
    jobs: list[dg.JobDefinition | UnresolvedAssetJobDefinition],
    verify: UnresolvedAssetJobDefinition,
    command: list[str],
) -> list[dg.SensorDefinition]:
    """One for runs that failed, and one for runs of `verify` that ended well and found the stores unequal."""

    @dg.run_failure_sensor(
        name=f"{group_of(migration)}_failed",
        monitored_jobs=jobs,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"runs {ON_FAILURE} when a run of {migration} has failed",
    )
    def failed(context: dg.RunFailureSensorContext) -> None:
        tell(command, {**_run(migration, context), "event": "failed", "message": _reason(context)})

    @dg.run_status_sensor(
        dg.DagsterRunStatus.SUCCESS,
        name=f"{group_of(migration)}_unequal",
        monitored_jobs=[verify],
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"runs {ON_FAILURE} when a verification of {migration} has found the stores unequal",
    )
    def unequal(context: dg.RunStatusSensorContext) -> None:
        check = _failed_check(context.instance, context.dagster_run.run_id)
        if check is not None:
            found = {name: check.metadata[name].value for name in ("run_id", "report")}
            tell(command, {**_run(migration, context), "event": "inconsistent", "message": check.description, **found})

    return [failed, unequal]


def tell(command: list[str], news: Mapping[str, object]) -> None:
    """Gives the command one JSON object on stdin. What it prints goes where Dagster's own output goes. Raises
    dg.Failure, in one line, where it cannot be run, ends with another status than 0, or takes too long."""
    try:
        finished = subprocess.run(command, input=json.dumps(news), text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise dg.Failure(f"{ON_FAILURE}: {command[0]}: {type(error).__name__}", allow_retries=False) from None
    if finished.returncode:
        raise dg.Failure(f"{ON_FAILURE}: {command[0]}: ended with {finished.returncode}", allow_retries=False)


def _run(migration: str, context: dg.RunStatusSensorContext) -> dict[str, object]:
    return {
        "migration": migration,
        "job": context.dagster_run.job_name,
        "dagster_run_id": context.dagster_run.run_id,
    }


def _reason(context: dg.RunFailureSensorContext) -> str:
    """The line of the step that failed first; of a run that came to no step, Dagster's own."""
    for event in context.get_step_failure_events():
        told = event.step_failure_data.user_failure_data
        if told is not None and told.description:
            return told.description
    return context.failure_event.message or "failed"


def _failed_check(instance: dg.DagsterInstance, dagster_run_id: str) -> dg.AssetCheckEvaluation | None:
    records = instance.get_records_for_run(dagster_run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            check = event.asset_check_evaluation_data
            if check.check_name == CONSISTENT and not check.passed:
                return check
    return None
