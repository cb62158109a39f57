"""What Dagster loads: assets, checks, jobs and schedules of every migration in CROSSOVER_MIGRATIONS."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from dagster_defs.assessment import assess_job, assessment_asset
from dagster_defs.broken_mappings import broken_mappings
from dagster_defs.capture_asset import capture_asset
from dagster_defs.checks import migration_checks
from dagster_defs.freshness import freshness_sensors
from dagster_defs.migrations import Broken, Found, find_migrations
from dagster_defs.notifications import notification_sensors
from dagster_defs.notify import channels
from dagster_defs.prune_job import prune_job
from dagster_defs.relay_drain import drain_schedule, relay_drain
from dagster_defs.repair_job import repair_job
from dagster_defs.resources import SparkResource
from dagster_defs.stages import migration_assets
from dagster_defs.verify_job import nightly_schedules, verify_job
from dagster_defs.whole_backfill import whole_backfill


@dg.definitions
def definitions() -> dg.Definitions:
    """The code location `dagster_defs.definitions`."""
    return definitions_of(find_migrations())


def definitions_of(migrations: Sequence[Found | Broken]) -> dg.Definitions:
    """Broken mapping files become assets that say what is wrong with them."""
    return dg.Definitions.merge(
        *(_migration(one) for one in migrations if isinstance(one, Found)),
        broken_mappings([one for one in migrations if isinstance(one, Broken)]),
        dg.Definitions(resources={"spark": SparkResource()}, executor=dg.in_process_executor),
    )


def _migration(found: Found) -> dg.Definitions:
    name = found.mapping.migration
    told = channels()
    drain = relay_drain(name, found.path)
    whole = whole_backfill(name, found.path)
    verify = verify_job(name)
    return dg.Definitions(
        assets=[assessment_asset(found), capture_asset(found), *migration_assets(found)],
        asset_checks=migration_checks(found.mapping, found.path),
        jobs=[whole, verify, repair_job(name, found.path), drain, prune_job(name, found.path), assess_job(name)],
        sensors=[*notification_sensors(name, told), *freshness_sensors(found.mapping, told)],
        schedules=[*nightly_schedules(found, verify), drain_schedule(drain)],
    )
