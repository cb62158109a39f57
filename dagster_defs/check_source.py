"""What the source says now: whether its changes are captured, and delivered in time; and rows that can be no items."""

from __future__ import annotations

import shlex

import dagster as dg

from dagster_defs.check import Check, Finding, Newest
from pipelines.capture import capture_status
from pipelines.deliver.opened import opened_ledger
from pipelines.source.connect import source_url
from pipelines.source.ledger.epoch import read_epoch
from pipelines.source.ledger.health import is_paused, oldest_seconds
from pipelines.warehouse.dataset import REJECTS

_NOT_INSTALLED = "skipped: capture is not installed, so verdicts go by content alone"


def capture_checks() -> list[Check]:
    return [
        Check("capture_intact", "Ledger and triggers are whole, where capture is installed.", _capture),
        Check("lag_within_limit", "No change waits longer than `checks.lag_limit_seconds` for delivery.", _lag),
    ]


def rejects_check() -> Check:
    description = "No more source rows can be no item than the mapping lets pass."
    return Check("rejects_within_threshold", description, _rejects)


def _capture(newest: Newest) -> Finding:
    """A capture that is gone although the warehouse remembers it was uninstalled, or lost with a restored database."""
    migration = newest.migration
    status = capture_status(migration, source_url(migration.mapping))
    if status.capture == "absent" and not read_epoch(migration.folder.root):
        return Finding(True, _NOT_INSTALLED)
    gaps = [str(gap) for gap in status.gaps]
    more = f", and {len(gaps) - 1:,} more" if len(gaps) > 1 else ""
    command = shlex.join(["crossover", "capture", str(migration.path), "status"])
    return Finding(
        not gaps,
        f"{gaps[0]}{more}" if gaps else f"{status.capture}, epoch {status.epoch}, {len(status.tables):,} tables",
        f"`{command}` lists what is wrong, and what mends it",
        {"gaps": len(gaps)},
    )


def _lag(newest: Newest) -> Finding:
    migration, limit = newest.migration, newest.migration.mapping.checks.lag_limit_seconds
    url = source_url(migration.mapping)
    capture = capture_status(migration, url).capture
    if capture != "on":
        return Finding(True, _NOT_INSTALLED if capture == "absent" else "skipped: capture is off; see capture_intact")
    with opened_ledger(migration, url) as ledger:
        lag, paused = oldest_seconds(ledger.session, ledger.item_types), is_paused(ledger.session)
    relay = shlex.join(["crossover", "relay", str(migration.path)])
    return Finding(
        lag <= limit,
        f"the oldest change waits for {lag:,.0f} s, {limit:,} allowed" if lag else "all changes are delivered",
        f"`{relay} --resume`: deliveries are paused" if paused else f"`{relay} --status` says why",
        {"lag_seconds": round(lag, 1), "limit_seconds": limit},
    )


def _rejects(newest: Newest) -> Finding:
    migration, records = newest.migration, newest.records
    allowed = migration.mapping.checks.thresholds.rejected
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in records.reject_reasons.items())
    folder = migration.folder.records(records.snapshot_id) / REJECTS
    return Finding(
        records.rejects <= allowed,
        f"{records.rejects:,} rejected, {allowed:,} allowed" + (f": {reasons}" if records.rejects else ""),
        f"{folder} lists them; mend the rows or the mapping, or raise `checks.thresholds.rejected`",
        {"rejects": records.rejects, "allowed": allowed, "folder": dg.MetadataValue.path(str(folder))},
    )
