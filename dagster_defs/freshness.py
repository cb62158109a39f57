"""Whether the nightly verification has come in time: a check that a sensor keeps up to date, for nothing else runs when
a night is missed. It looks at the warehouse, so that a verification of the command line counts, too, and needs no run.

What Dagster has of its own does not serve: freshness policies look at the events of its own runs, and are off unless an
instance asks for them; freshness checks are superseded by them, and start a run each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._utils.schedules import get_latest_completed_cron_tick
from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_defs.check import ERROR, Check, Finding, Newest
from dagster_defs.news import Channel, Event
from dagster_defs.notify import deliver
from dagster_defs.step import failing_in_one_line, group_of
from expectations.links import PAGE
from pipelines.errors import WarehouseError
from pipelines.mapping.checks_model import Checks
from pipelines.mapping.model import Mapping
from pipelines.monitoring.alarms import LATE_HOURS
from pipelines.settings import warehouse_address
from pipelines.warehouse.layout import MigrationFolder, read_manifest
from pipelines.warehouse.manifest import DiffManifest, SnapshotManifest
from pipelines.warehouse.place import Place

FRESH = "report_fresh"
EVERY_SECONDS = 300
MARGIN = timedelta(hours=LATE_HOURS)
"""By which a verification may take longer than the one before."""


@dataclass(frozen=True)
class Verification:
    """That has finished, with its report. `took`: from the snapshot's beginning."""

    run_id: str
    finished_at: datetime
    took: timedelta
    consistent: bool


class _Watch(BaseModel):
    """What the sensor remembers: since when it has looked; and of its last news whether a night was missed, and which
    verification was the newest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: datetime
    missed: bool | None = None
    newest: str | None = None

    @classmethod
    def of(cls, cursor: str | None, now: datetime) -> _Watch:
        try:
            return cls.model_validate_json(cursor or "")
        except ValidationError:
            return cls(since=now)


def freshness_checks(mapping: Mapping) -> list[Check]:
    """One, or none where the mapping has no `schedule`."""
    checks = mapping.checks

    def look(newest: Newest) -> Finding:
        return freshness(mapping, newest_verification(newest.migration.folder), datetime.now(UTC))

    described = "The newest verification is that of the last night, by `checks.schedule`."
    return [] if checks.schedule is None else [Check(FRESH, described, look)]


def freshness_sensors(mapping: Mapping, told: Sequence[Channel]) -> list[dg.SensorDefinition]:
    """One, or none where the mapping has no `schedule`. `told`: of a night that is missed, and of the next good one."""
    if mapping.checks.schedule is None:
        return []
    name = mapping.migration

    @dg.sensor(
        name=f"{group_of(name)}_nights",
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"keeps the check {FRESH} of {name} up to date: red when a night is missed",
    )
    def nights(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        watch = _Watch.of(context.cursor, now)
        with failing_in_one_line():
            newest = newest_verification(MigrationFolder(Place.of(warehouse_address()) / name))
        finding = freshness(mapping, newest, now, watch.since)
        seen = _Watch(since=watch.since, missed=not finding.passed, newest=newest.run_id if newest else None)
        if seen == watch:
            return dg.SkipReason(finding.description)
        event = _event(watch, seen, newest)
        if event is not None:
            news = {"migration": name, "job": f"{group_of(name)}_verify", "event": event.value, "message": finding.said}
            problem = deliver(told, news)
            if problem:
                context.log.error(problem)
        return dg.SensorResult(asset_events=[_evaluation(name, finding)], cursor=seen.model_dump_json())

    return [nights]


def newest_verification(folder: MigrationFolder) -> Verification | None:
    """Of whatever mapping. Raises WarehouseError."""
    reported = (one for one in reversed(folder.finished("diffs")) if (folder.report(one) / PAGE).is_file())
    run_id = next(reported, None)
    if run_id is None:
        return None
    diff = read_manifest(folder.diff(run_id), DiffManifest)
    return Verification(run_id, diff.finished_at, diff.finished_at - _began_at(folder, diff), diff.consistent)


def freshness(mapping: Mapping, newest: Verification | None, now: datetime, since: datetime | None = None) -> Finding:
    """Whether there was one after the last time of the schedule's by which one should have finished by now. `since`:
    where there never was one, the time from which one could be expected."""
    due = due_by_now(mapping.checks, now, newest.took if newest else timedelta())
    if newest is None:
        said, last = "no verification has finished yet", since
    else:
        said, last = f"the newest verification finished at {newest.finished_at:%Y-%m-%d %H:%M} UTC", newest.finished_at
    fresh = last is not None and last >= due
    return Finding(
        fresh,
        said if fresh else f"{said}, there should be one of {due:%Y-%m-%d %H:%M %Z}",
        f"look into the runs of the job {group_of(mapping.migration)}_verify, and launch it",
        {} if newest is None else {"age_hours": round((now - newest.finished_at) / timedelta(hours=1), 1)},
    )


def due_by_now(checks: Checks, now: datetime, took: timedelta) -> datetime:
    """The last time of the schedule's of which the verification, were it to take so long again, is late by now."""
    assert checks.schedule is not None
    return get_latest_completed_cron_tick(checks.schedule, now - took - MARGIN, checks.time_zone)


def _began_at(folder: MigrationFolder, diff: DiffManifest) -> datetime:
    try:
        return read_manifest(folder.snapshot(diff.snapshot_id), SnapshotManifest).started_at
    except WarehouseError:  # it may have been pruned
        return diff.started_at


def _event(before: _Watch, seen: _Watch, newest: Verification | None) -> Event | None:
    """That a verification came at last is good news only where it was a good one."""
    if seen.missed:
        return None if before.missed else Event.MISSED
    return Event.RECOVERED if before.missed and newest is not None and newest.consistent else None


def _evaluation(migration: str, finding: Finding) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey([migration, "report"]),
        check_name=FRESH,
        passed=finding.passed,
        severity=ERROR,
        description=finding.description,
        metadata={name: dg.MetadataValue.float(float(str(value))) for name, value in finding.numbers.items()},
    )
