"""Finds the RDS snapshot to export."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.errors import SourceError
from pipelines.source.rds_export.client import RdsClient, rds_errors
from pipelines.source.rds_export.request import Origin
from pipelines.source.rds_export.words import in_one_line

AVAILABLE = "available"
ENGINES = ("postgres", "aurora-postgresql")

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RdsSnapshot:
    id: str
    arn: str
    engine: str
    status: str
    taken: datetime


def find_snapshot(rds: RdsClient, origin: Origin, wanted: str | None) -> RdsSnapshot:
    """The snapshot of this name, or the newest that is available. Raises SourceError where there is none to export."""
    found = _cluster_snapshots(rds, origin.id, wanted) if origin.is_cluster else _snapshots(rds, origin.id, wanted)
    if wanted is None:
        found = [one for one in found if one.status == AVAILABLE]
    if not found:
        what = f"no snapshot {wanted} of it" if wanted else "no available snapshot of it"
        raise SourceError(f"{origin}: {what} in this region and account; check the names, or take a snapshot first")
    newest = max(found, key=lambda one: one.taken)
    if newest.status != AVAILABLE:
        raise SourceError(
            f"{origin}: snapshot {newest.id} is {in_one_line(newest.status)}, not {AVAILABLE}; wait for it"
        )
    if newest.engine not in ENGINES:
        raise SourceError(f"{origin}: its engine is {in_one_line(newest.engine)}; only PostgreSQL is supported yet")
    return newest


def _snapshots(rds: RdsClient, instance: str, wanted: str | None) -> list[RdsSnapshot]:
    """A copy has a SnapshotCreateTime of its own; the original's says how old the data are.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBSnapshot.html
    """
    named = {"DBSnapshotIdentifier": wanted} if wanted else {}
    pages = _pages(rds, "describe_db_snapshots", "DescribeDBSnapshots", DBInstanceIdentifier=instance, **named)
    return [
        RdsSnapshot(
            id=one["DBSnapshotIdentifier"],
            arn=one["DBSnapshotArn"],
            engine=one.get("Engine", ""),
            status=one.get("Status", ""),
            taken=one.get("OriginalSnapshotCreateTime") or one.get("SnapshotCreateTime") or _NEVER,
        )
        for page in pages
        for one in page["DBSnapshots"]
    ]


def _cluster_snapshots(rds: RdsClient, cluster: str, wanted: str | None) -> list[RdsSnapshot]:
    named = {"DBClusterSnapshotIdentifier": wanted} if wanted else {}
    action = "DescribeDBClusterSnapshots"
    pages = _pages(rds, "describe_db_cluster_snapshots", action, DBClusterIdentifier=cluster, **named)
    return [
        RdsSnapshot(
            id=one["DBClusterSnapshotIdentifier"],
            arn=one["DBClusterSnapshotArn"],
            engine=one.get("Engine", ""),
            status=one.get("Status", ""),
            taken=one.get("SnapshotCreateTime") or _NEVER,
        )
        for page in pages
        for one in page["DBClusterSnapshots"]
    ]


def _pages(rds: RdsClient, operation: str, action: str, **arguments: str) -> list[dict[str, Any]]:
    with rds_errors(action):
        return list(rds.get_paginator(operation).paginate(**arguments))
