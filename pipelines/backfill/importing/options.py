"""What a call can say of an import, and where its objects go."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.errors import StageError, UsageError
from pipelines.migration import Migration
from pipelines.target.import_folder import ImportPlan
from pipelines.target.import_objects import Compression
from pipelines.target.s3_target import s3_target
from pipelines.warehouse.s3_place import S3Place


@dataclass(frozen=True)
class ImportOptions:
    """`s3`: the place that gets the objects, `s3://bucket/prefix`; without it the run's own folder, where the warehouse
    is in S3. `compression`: `gzip` unless given, or `zstd`. `keep_objects`: they stay after the import."""

    s3: str | None = None
    compression: str | None = None
    keep_objects: bool = False

    def given(self) -> list[str]:
        """As the command line names them."""
        named = {"--s3": self.s3, "--compression": self.compression, "--keep-objects": self.keep_objects}
        return [name for name, value in named.items() if value]

    @property
    def kind(self) -> Compression:
        """Raises UsageError."""
        try:
            return Compression((self.compression or "gzip").upper())
        except ValueError:
            raise UsageError(f"--compression {self.compression}: use gzip or zstd") from None

    def target(self, migration: Migration, run_id: str) -> S3Place:
        """The folder of all objects of a run. Raises UsageError where that is not in S3."""
        return s3_target(
            self.s3,
            migration.folder.backfill(run_id),
            "import",
            "an import reads from S3",
            "--mode import: DynamoDB reads the items from S3",
        )

    def require_planned(self, migration: Migration, run_id: str, plan: ImportPlan) -> None:
        """Raises StageError where an unfinished run was begun with others."""
        if self.s3 is not None and str(self.target(migration, run_id)) != plan.target:
            raise StageError(f"--s3: the unfinished backfill {run_id} has its objects in {plan.target}; leave it out")
        if self.compression is not None and self.kind != plan.compression:
            raise StageError(
                f"--compression: the unfinished backfill {run_id} writes {plan.compression.lower()}; leave it out"
            )
