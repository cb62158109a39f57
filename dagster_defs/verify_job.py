"""The job that compares both stores, and the schedule that runs it every night: there is no other nightly job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from dagster_defs.migrations import Found
from dagster_defs.running import tags_of
from dagster_defs.step import group_of

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

STAGES = ("snapshot", "records", "dump", "diff", "report")


def verify_job(migration: str) -> UnresolvedAssetJobDefinition:
    """The job `<migration>_verify`. Capture and the backfill, which it does not make, are checked with it, too, but
    not by *Materialize all* of Dagster's page, which asks for the checks of what it makes."""
    checks = dg.AssetSelection.checks_for_assets(
        *(dg.AssetKey([migration, asset]) for asset in ("capture", "backfill"))
    )
    return dg.define_asset_job(
        name=f"{group_of(migration)}_verify",
        selection=dg.AssetSelection.assets(*([migration, stage] for stage in STAGES)) | checks,
        description=f"{migration}: compare both stores and report; the nightly schedule runs it, too",
        executor_def=dg.in_process_executor,  # one Spark session for all steps of a run
        tags=tags_of(migration, "verify"),
    )


def nightly_schedules(found: Found, verify: UnresolvedAssetJobDefinition) -> list[dg.ScheduleDefinition]:
    """One, or none where the mapping has no `schedule`."""
    checks = found.mapping.checks
    if checks.schedule is None:
        return []
    return [
        dg.ScheduleDefinition(
            name=f"{group_of(found.mapping.migration)}_nightly",
            job=verify,
            cron_schedule=checks.schedule,
            execution_timezone=checks.time_zone,
            description=f"the consistency check of {found.mapping.migration}",
            default_status=dg.DefaultScheduleStatus.RUNNING,  # who writes a schedule into the mapping wants it kept
        )
    ]
