"""What Dagster loads: assets, checks, jobs and schedules of every migration in CROSSOVER_MIGRATIONS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from dagster_defs.checks import migration_checks
from dagster_defs.migrations import Broken, Found, find_migrations
from dagster_defs.on_failure import failure_sensors
from dagster_defs.relay_drain import drain_schedule, relay_drain
from dagster_defs.resources import SparkResource
from dagster_defs.stages import migration_assets
from dagster_defs.step import group_of
from dagster_defs.whole_backfill import whole_backfill

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


@dg.definitions
def definitions() -> dg.Definitions:
    """The code location `dagster_defs.definitions`."""
    return definitions_of(find_migrations())


def definitions_of(migrations: Sequence[Found | Broken]) -> dg.Definitions:
    """A broken mapping file becomes one asset that says what is wrong with it."""
    return dg.Definitions.merge(
        *(_migration(one) if isinstance(one, Found) else _broken(one) for one in migrations),
        dg.Definitions(resources={"spark": SparkResource()}, executor=dg.in_process_executor),
    )


def _migration(found: Found) -> dg.Definitions:
    name = found.mapping.migration
    assets = migration_assets(name, found.path)
    drain = relay_drain(name, found.path)
    whole = whole_backfill(name, found.path)
    verify = _job(name, "verify", ["snapshot", "records", "dump", "diff", "report"], "compare both stores and report")
    return dg.Definitions(
        assets=assets,
        asset_checks=[migration_checks(found.mapping, found.path)],
        jobs=[whole, verify, drain],
        sensors=failure_sensors(name, whole, verify),
        schedules=[*_schedules(found, verify), drain_schedule(drain)],
    )


def _job(migration: str, what: str, stages: list[str], description: str) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name=f"{group_of(migration)}_{what}",
        selection=dg.AssetSelection.assets(*([migration, stage] for stage in stages)),
        description=f"{migration}: {description}",
        executor_def=dg.in_process_executor,  # one Spark session for all steps of a run
    )


def _schedules(found: Found, verify: UnresolvedAssetJobDefinition) -> list[dg.ScheduleDefinition]:
    checks = found.mapping.checks
    if checks is None or checks.schedule is None:
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


def _broken(broken: Broken) -> dg.Definitions:
    return dg.Definitions(
        assets=[
            dg.AssetSpec(
                key=["broken", _asset_name(broken.path)],
                group_name="broken",
                description=f"This mapping cannot be loaded. {broken.problem}",
            )
        ]
    )


def _asset_name(path: Path) -> str:
    return group_of(path.stem)
