"""Sensors that tell of runs: those that failed, verifications that found the stores unequal, and what is good again.

The daemon that starts scheduled runs evaluates them. Each run is told once, one at a tick: the daemon waits a minute
for a sensor, and would have all of it told again if it were to wait longer.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.definitions.run_request import DagsterRunReaction
from dagster_shared.error import SerializableErrorInfo

from dagster_defs.check_verdicts import CONSISTENT, REASONS
from dagster_defs.news import Channel, Event
from dagster_defs.notify import deliver
from dagster_defs.running import JOB_TAG, MIGRATION_TAG
from dagster_defs.step import group_of
from pipelines.logs import redacted

_DRAIN = "relay_drain"
"""The job, by its tag, that may run every minute: it is told when it fails first, and when it is good again."""


def notification_sensors(migration: str, told: Sequence[Channel]) -> list[dg.SensorDefinition]:
    """One for runs that failed, and one for those that ended well; none where nobody is to be told."""
    if not told:
        return []

    @dg.run_failure_sensor(
        name=f"{group_of(migration)}_failed",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"tells when a run of {migration} has failed",
    )
    def failed(context: dg.RunFailureSensorContext) -> DagsterRunReaction | None:
        run = context.dagster_run
        if not _is_of(migration, run) or (run.tags.get(JOB_TAG) == _DRAIN and _was_bad(migration, context)):
            return None
        return _tell(migration, told, context, Event.FAILED, _reason(context))

    @dg.run_status_sensor(
        DagsterRunStatus.SUCCESS,
        name=f"{group_of(migration)}_ended_well",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"tells when a verification of {migration} has found the stores unequal, or could not look, and "
        "when what was bad is good again",
    )
    def ended_well(context: dg.RunStatusSensorContext) -> DagsterRunReaction | None:
        if not _is_of(migration, context.dagster_run):
            return None
        check = _verdict(migration, context.instance, context.dagster_run)
        if check is not None and not check.passed:
            return _tell(migration, told, context, *_found(check), check)
        if not _was_bad(migration, context):
            return None
        message = "consistent again" if check is not None else "succeeded again"
        return _tell(migration, told, context, Event.RECOVERED, message, check)

    return [failed, ended_well]


def _tell(
    migration: str,
    told: Sequence[Channel],
    context: dg.RunStatusSensorContext,
    event: Event,
    message: str,
    check: dg.AssetCheckEvaluation | None = None,
) -> DagsterRunReaction:
    """What went wrong with it fails the tick, in one line. To return something ends the tick."""
    run = context.dagster_run
    metadata = {} if check is None else check.metadata
    found = {name: str(metadata[name].value) for name in ("run_id", "report") if name in metadata}
    news = {
        "migration": migration,
        "job": run.job_name,
        "dagster_run_id": run.run_id,
        "event": event.value,
        "message": message,
        **found,
    }
    problem = deliver(told, news)
    error = SerializableErrorInfo(f"{problem}\n", [], None) if problem else None
    return DagsterRunReaction(run, error, run.status)


def _is_of(migration: str, run: DagsterRun) -> bool:
    """Runs of the migration's jobs have its tag; those that make assets by hand have the assets."""
    chosen = run.asset_selection or ()
    return run.tags.get(MIGRATION_TAG) == migration or any(key.path[0] == migration for key in chosen)


def _was_bad(migration: str, context: dg.RunStatusSensorContext) -> bool:
    """Whether the run of the same job before this one failed, or found the stores unequal. A run that makes assets by
    hand is like no other."""
    instance, run = context.instance, context.dagster_run
    if MIGRATION_TAG not in run.tags:
        return False
    ended = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]
    before = instance.get_runs(RunsFilter(job_name=run.job_name, statuses=ended), cursor=run.run_id, limit=1)
    if not before:
        return False
    check = _verdict(migration, instance, before[0])
    return before[0].status is DagsterRunStatus.FAILURE or (check is not None and not check.passed)


def _found(check: dg.AssetCheckEvaluation) -> tuple[Event, str]:
    """By a verification that is not good. A check that could not look has no numbers: whether the stores are equal is
    not known."""
    if REASONS in check.metadata:
        return Event.INCONSISTENT, str(check.metadata[REASONS].value)
    return Event.FAILED, _one_line(check.description or "could not be checked")


def _reason(context: dg.RunFailureSensorContext) -> str:
    """The line of the step that failed first; of a run that came to no step, Dagster's own."""
    for event in context.get_step_failure_events():
        told = event.step_failure_data.user_failure_data
        if told is not None and told.description:
            return _one_line(told.description)
    return _one_line(context.failure_event.message or "failed")


def _one_line(text: str) -> str:
    return redacted(text.strip().partition("\n")[0])


def _verdict(migration: str, instance: dg.DagsterInstance, run: DagsterRun) -> dg.AssetCheckEvaluation | None:
    """What a run's verification came to; None of a run that was none."""
    diff = dg.AssetKey([migration, "diff"])
    records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            check = event.asset_check_evaluation_data
            if (check.asset_key, check.check_name) == (diff, CONSISTENT):
                return check
    return None
