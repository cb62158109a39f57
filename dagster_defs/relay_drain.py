"""Draining by a schedule, in place of a relay as a service."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_defs.capture_asset import lag_numbers
from dagster_defs.running import pool_of, tags_of
from dagster_defs.step import Numbers, failing_in_one_line, group_of
from pipelines.deliver.deliverer import LEASE_SECONDS
from pipelines.deliver.drain import Drain
from pipelines.deliver.opened import opened_deliverer, opened_ledger
from pipelines.errors import StageError
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.source.connect import source_url
from pipelines.source.ledger.health import is_paused

EVERY_MINUTE = "* * * * *"
_NOT_ENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class DrainConfig(dg.Config):
    """How a drain claims."""

    lease_seconds: float = Field(
        default=LEASE_SECONDS,
        description="how long others keep off what this drain has claimed, should it die; 300 at most",
    )


def drain_numbers(path: Path, lease_seconds: float) -> Numbers:
    """What was delivered, nothing while relays are paused, and how far the target is behind afterwards. Raises
    CrossoverError, of items that were set apart a StageError."""
    opened = Migration.open(path)
    with opened_ledger(opened, source_url(opened.mapping)) as ledger:
        if is_paused(ledger.session):
            return lag_numbers(ledger)
        with opened_deliverer(opened, ledger, lease_seconds) as deliverer:
            drained = Drain(deliverer, ledger.item_types, Progress("relay", None, "items")).run()
        if drained.set_apart:
            raise StageError(f"{len(drained.set_apart):,} items were set apart: {drained.set_apart[0].problem}")
        return {"marks": drained.marks, **drained.counts, **lag_numbers(ledger)}


def relay_drain(migration: str, path: Path) -> dg.JobDefinition:
    """The job `<migration>_relay_drain`."""
    name = f"{group_of(migration)}_relay_drain"

    @dg.op(name=f"{name}_all", pool=pool_of(migration, "relay_drain"))
    def drain(context: dg.OpExecutionContext, config: DrainConfig) -> None:
        """Delivers until nothing is undelivered."""
        with failing_in_one_line():
            numbers = drain_numbers(path, config.lease_seconds)
        context.log_event(dg.AssetObservation([migration, "capture"], metadata=dict(numbers)))

    @dg.job(
        name=name,
        description=f"{migration}: deliver what is undelivered",
        executor_def=dg.in_process_executor,
        tags=tags_of(migration, "relay_drain"),
    )
    def job() -> None:
        drain()

    return job


def drain_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Off until somebody wants it: a relay as a service delivers sooner. No run is launched while one is under way, or
    waits for its turn."""
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=EVERY_MINUTE,
        description="in place of `crossover relay` as a service",
        should_execute=lambda context: not is_under_way(context.instance, job),
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )


def is_under_way(instance: dg.DagsterInstance, job: dg.JobDefinition) -> bool:
    """Whether a run of it has not ended; one that waits for its turn counts."""
    return instance.get_runs_count(dg.RunsFilter(job_name=job.name, statuses=_NOT_ENDED)) > 0
