"""What a call can say of exports."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.errors import UsageError
from pipelines.migration import Migration
from pipelines.target.s3_target import s3_target
from pipelines.warehouse.s3_place import S3Place


@dataclass(frozen=True)
class ExportOptions:
    """`exports`: of each table one that is there already: its ARN, or where it lies, a folder or `s3://…`. Without
    them every table is exported, to below `s3`, or to the dump's own folder where the warehouse is in S3."""

    exports: tuple[str, ...] = ()
    s3: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if self.exports and self.s3:
            raise UsageError("--export: reads what was exported already; leave --s3 out")

    def target(self, migration: Migration, dump_id: str) -> S3Place:
        """Raises UsageError where that is not in S3."""
        return s3_target(
            self.s3,
            migration.folder.dump(dump_id),
            "export",
            "an export goes to S3",
            "--from export: DynamoDB exports the items to S3",
        )
