"""Everything that gates judge, read once."""

from __future__ import annotations

import shlex
from datetime import datetime

from pipelines.cutover.evidence import Evidence
from pipelines.cutover.gather_reads import read_reads
from pipelines.cutover.gather_runs import last_verifications, newest_assessment, newest_backfill
from pipelines.cutover.gather_source import look_at_source, unseen
from pipelines.cutover.states import Standing
from pipelines.errors import UsageError
from pipelines.migration import Migration
from pipelines.monitoring.checks_due import longest_gap_hours
from pipelines.source.connect import source_url
from pipelines.target.control_table import ControlTable


def gather(migration: Migration, table: ControlTable, standing: Standing, now: datetime) -> Evidence:
    """Never raises CrossoverError: what cannot be read is Unknown, and says why."""
    checks = migration.mapping.checks
    try:
        source = look_at_source(migration, source_url(migration.mapping), table)
    except UsageError as error:
        source = unseen(str(error), "set it")
    return Evidence(
        at=now,
        mapping=shlex.quote(str(migration.path)),
        mapping_hash=migration.mapping_hash,
        lag_limit_seconds=checks.lag_limit_seconds,
        nights_apart_hours=None if checks.schedule is None else longest_gap_hours(checks.schedule),
        state_since=standing.since,
        moving=standing.moving,
        assessed=newest_assessment(migration.folder),
        fits=source.fits,
        captured=source.captured,
        ledger=source.ledger,
        backfilled=newest_backfill(migration.folder),
        verifications=last_verifications(migration.folder),
        reads=read_reads(table, now),
        writes=source.writes,
        reverse=source.reverse,
    )
