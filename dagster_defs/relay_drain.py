"""Draining by a schedule, in place of a relay as a service."""

from pathlib import Path

import dagster as dg
from pydantic import Field

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


class DrainConfig(dg.Config):
    """How a drain claims."""

    lease_seconds: float = Field(
        default=LEASE_SECONDS,
        description="how long others keep off what this drain has claimed, should it die; 300 at most",
    )


def drain_numbers(path: Path, lease_seconds: float) -> Numbers:
    """Nothing while relays are paused. Raises CrossoverError, of items that were set apart a StageError."""
    opened = Migration.open(path)
    with opened_ledger(opened, source_url(opened.mapping)) as ledger:
        if is_paused(ledger.session):
            return {"paused": True}
        with opened_deliverer(opened, ledger, lease_seconds) as deliverer:
            drained = Drain(deliverer, ledger.item_types, Progress("relay", None, "items")).run()
    if drained.set_apart:
        raise StageError(f"{len(drained.set_apart):,} items were set apart: {drained.set_apart[0].problem}")
    return {"marks": drained.marks, **drained.counts}


def relay_drain(migration: str, path: Path) -> dg.JobDefinition:
    """The job `<migration>_relay_drain`."""
    name = f"{group_of(migration)}_relay_drain"

    @dg.op(name=f"{name}_all")
    def drain(context: dg.OpExecutionContext, config: DrainConfig) -> None:
        """Delivers until nothing is undelivered."""
        with failing_in_one_line():
            context.add_output_metadata(dict(drain_numbers(path, config.lease_seconds)))

    @dg.job(name=name, description=f"{migration}: deliver what is undelivered", executor_def=dg.in_process_executor)
    def job() -> None:
        drain()

    return job


def drain_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Off until somebody wants it: a relay as a service delivers sooner."""
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=EVERY_MINUTE,
        description="in place of `crossover relay` as a service",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
