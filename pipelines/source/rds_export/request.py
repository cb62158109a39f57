"""Which export the command line asks for: one that is there, one that is under way, or a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pipelines.errors import UsageError


@dataclass(frozen=True)
class ExportOptions:
    """As the command line has them; None or '' where an option is missing."""

    export: str | None = None
    task: str | None = None
    instance: str | None = None
    cluster: str | None = None
    rds_snapshot: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    role: str | None = None
    kms_key: str | None = None

    def given(self) -> list[str]:
        return [option for option, value in self._by_option().items() if value is not None]

    def missing(self, *options: str) -> list[str]:
        values = self._by_option()
        return [option for option in options if not values[option]]

    def _by_option(self) -> dict[str, str | None]:
        return {f"--{name.replace('_', '-')}": getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class ReadExport:
    location: str  # a folder, or s3://bucket/prefix/task


@dataclass(frozen=True)
class ContinueTask:
    task: str


@dataclass(frozen=True)
class Origin:
    """Whose snapshots: those of a DB instance, or of an Aurora cluster."""

    id: str
    is_cluster: bool

    def __str__(self) -> str:
        return f"{'cluster' if self.is_cluster else 'instance'} {self.id}"


@dataclass(frozen=True)
class StartTask:
    """`snapshot` None: the newest one."""

    origin: Origin
    snapshot: str | None
    bucket: str
    prefix: str
    role: str
    kms_key: str


ExportRequest: TypeAlias = ReadExport | ContinueTask | StartTask


def export_request(options: ExportOptions) -> ExportRequest:
    """Raises UsageError for too many options or too few, naming them."""
    given = options.given()
    for alone in ("--export", "--task"):
        if alone in given and given != [alone]:
            others = ", ".join(option for option in given if option != alone)
            raise UsageError(f"{alone} names an export that is there already; leave out {others}")
    if options.export:
        return ReadExport(options.export)
    if options.task:
        return ContinueTask(options.task)
    if options.instance and options.cluster:
        raise UsageError("--instance and --cluster: give one of them, the one that the RDS snapshot is of")
    if not options.instance and not options.cluster:
        raise UsageError(
            "--from rds-export: say which. --export LOCATION reads one, --task ID goes on with one, and --instance ID "
            "(or --cluster ID) with --bucket, --role and --kms-key starts one"
        )
    return _start(options)


def _start(options: ExportOptions) -> StartTask:
    missing = options.missing("--bucket", "--role", "--kms-key")
    if missing:
        raise UsageError(f"{', '.join(missing)} is missing: RDS needs bucket, role and KMS key to export a snapshot")
    prefix = (options.prefix or "").strip("/")
    if ":" in prefix:
        raise UsageError(f"--prefix {prefix}: RDS takes no prefix with a colon")
    assert options.bucket is not None
    assert options.role is not None
    assert options.kms_key is not None
    origin = Origin(options.cluster or options.instance or "", bool(options.cluster))
    bucket = options.bucket.removeprefix("s3://").rstrip("/")
    if "/" in bucket:
        raise UsageError(f"--bucket {options.bucket}: that is a bucket's name and no more; the rest goes to --prefix")
    return StartTask(origin, options.rds_snapshot or None, bucket, prefix, options.role, options.kms_key)
