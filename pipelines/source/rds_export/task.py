"""Export tasks: RDS restores a snapshot aside and writes its tables into S3, in minutes or hours.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_StartExportTask.html
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ExportTask.html
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pipelines.errors import SourceError
from pipelines.source.rds_export.client import RdsClient, rds_errors
from pipelines.source.rds_export.rds_snapshot import RdsSnapshot
from pipelines.source.rds_export.request import StartTask

COMPLETE = "COMPLETE"
ENDED_BADLY = ("FAILED", "CANCELED", "CANCELING")

LONGEST_ID = 60  # as the console tells: letters, digits and single hyphens, the first of them a letter
EXPORT_ONLY_BYTES = 200 << 10  # "the ExportOnly list has a maximum size of 200 KB"

# "If a database, schema, or table has characters in its name other than the following, partial export isn't supported"
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.html#USER_ExportSnapshot.Limits
_PARTIAL = re.compile(r"[A-Za-z0-9$_]+\.[A-Za-z0-9$_]+\.[A-Za-z0-9$_]+", re.ASCII)


@dataclass(frozen=True)
class ExportTask:
    """`percent`: of the export alone; 0 while RDS restores the snapshot."""

    id: str
    status: str
    percent: int
    bucket: str
    prefix: str
    failure: str
    warning: str

    @property
    def location(self) -> str:
        return "/".join(part for part in (f"s3://{self.bucket}", self.prefix.strip("/"), self.id) if part)


def task_id(migration: str, run_id: str) -> str:
    """Of a new task: `crossover-shop-20261124t085513-3fa2b1c`."""
    tail = re.sub(r"[^a-z0-9]+", "-", run_id.lower())
    head = re.sub(r"[^a-z0-9]+", "-", f"crossover-{migration}".lower())
    return f"{head[: LONGEST_ID - len(tail) - 1].strip('-')}-{tail}"


def export_only(targets: Collection[str]) -> list[str]:
    """What RDS is asked to export: `database.schema.table` each, or nothing, which means all of the snapshot."""
    names = sorted(targets)
    if all(_PARTIAL.fullmatch(name) for name in names) and sum(len(name) + 1 for name in names) <= EXPORT_ONLY_BYTES:
        return names
    return []


def start_task(rds: RdsClient, id: str, snapshot: RdsSnapshot, request: StartTask, only: list[str]) -> ExportTask:
    """Raises SourceError where RDS refuses."""
    arguments: dict[str, Any] = {
        "ExportTaskIdentifier": id,
        "SourceArn": snapshot.arn,
        "S3BucketName": request.bucket,
        "IamRoleArn": request.role,
        "KmsKeyId": request.kms_key,
    }
    if request.prefix:
        arguments["S3Prefix"] = request.prefix
    if only:
        arguments["ExportOnly"] = only
    with rds_errors("StartExportTask"):
        return _task(rds.start_export_task(**arguments))


def describe_task(rds: RdsClient, id: str) -> ExportTask:
    """Raises SourceError where there is no such task, PassingError where RDS gives no answer now."""
    with rds_errors("DescribeExportTasks"):
        tasks = rds.describe_export_tasks(ExportTaskIdentifier=id).get("ExportTasks", [])
    if not tasks:
        raise SourceError(f"export task {id}: there is none of this name in this region and account")
    return _task(tasks[0])


def _task(answer: dict[str, Any]) -> ExportTask:
    """Some stand-ins answer with the status in lower case, as the API's filters have it."""
    return ExportTask(
        id=str(answer["ExportTaskIdentifier"]),
        status=str(answer.get("Status", "")).upper(),
        percent=int(answer.get("PercentProgress") or 0),
        bucket=str(answer.get("S3Bucket", "")),
        prefix=str(answer.get("S3Prefix") or ""),
        failure=str(answer.get("FailureCause") or ""),
        warning=str(answer.get("WarningMessage") or ""),
    )
