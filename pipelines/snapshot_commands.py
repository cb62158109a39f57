"""The command `crossover snapshot`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, add_mapping_argument
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pipelines.source.rds_export.request import ExportRequest


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument(
        "--from",
        dest="source",
        choices=["live", "rds-export"],
        default="live",
        help="live: the running database (default); rds-export: an export of an RDS snapshot into S3",
    )
    export = parser.add_argument_group(
        "with --from rds-export", "an export that is there, one by its task, or a new one"
    )
    export.add_argument("--export", metavar="LOCATION", help="read this one: its folder, or s3://bucket/prefix/task")
    export.add_argument("--task", metavar="ID", help="go on with this export task: await it, then read it")
    export.add_argument("--instance", metavar="ID", help="start one of this DB instance's newest snapshot")
    export.add_argument("--cluster", metavar="ID", help="the same of an Aurora cluster")
    export.add_argument("--rds-snapshot", metavar="ID", help="of this snapshot, not the newest")
    export.add_argument("--bucket", metavar="NAME", help="the S3 bucket that RDS exports into")
    export.add_argument("--prefix", metavar="PATH", help="a path in it; none unless given")
    export.add_argument("--role", metavar="ARN", help="the IAM role by which RDS writes there")
    export.add_argument("--kms-key", metavar="ID", help="the KMS key that the export is encrypted with")


def _snapshot(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.migration import Migration
    from pipelines.snapshot import await_export, take_snapshot
    from pipelines.source.connect import source_url

    request = _export_request(arguments)
    migration = Migration.open(arguments.mapping)
    url = source_url(migration.mapping)
    command = f"crossover snapshot {arguments.mapping} --from rds-export"
    export = None if request is None else await_export(migration, url, request, command)
    manifest = take_snapshot(migration, url, export=export)
    return CommandResult(
        {
            "snapshot_id": manifest.id,
            "tables": {name: {"rows": one.rows, "bytes": one.bytes} for name, one in manifest.tables.items()},
            "captured": manifest.captured,
            "epoch": manifest.ledger.epoch if manifest.ledger else None,
            "uncaptured": manifest.uncaptured or None,
        },
        [
            f"snapshot {manifest.id}",
            f"  versions: epoch {manifest.ledger.epoch}, {manifest.ledger.known:,} items have changed in it"
            if manifest.ledger
            else f"  no versions: {manifest.uncaptured}",
            *(f"  {name}: versions of its own column" for name in sorted(migration.mapping.versioned)),
            *(f"  {name}: {one.rows:,} rows, {one.bytes:,} bytes" for name, one in manifest.tables.items()),
        ],
    )


def _export_request(arguments: argparse.Namespace) -> ExportRequest | None:
    """None for a live snapshot."""
    from pipelines.source.rds_export.request import ExportOptions, export_request

    options = ExportOptions(**{name: getattr(arguments, name) for name in ExportOptions.__dataclass_fields__})
    if arguments.source == "rds-export":
        return export_request(options)
    if options.given():
        raise UsageError(f"{', '.join(options.given())}: only with --from rds-export")
    return None


COMMAND = Command("snapshot", "export one consistent cut of the source", _arguments, _snapshot)
