"""The command `crossover dump`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, add_mapping_argument, add_rcu_argument, add_snapshot_argument
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pipelines.dump.exporting.options import ExportOptions


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    add_snapshot_argument(parser)
    parser.add_argument(
        "--from",
        dest="source",
        choices=["scan", "export"],
        default="scan",
        help="scan: the tables as they are (default); export: exports of them in S3, which use no read capacity",
    )
    add_rcu_argument(parser)
    export = parser.add_argument_group("with --from export", "exports that are there, or new ones")
    export.add_argument(
        "--export",
        metavar="EXPORT",
        action="append",
        default=[],
        help="read this one, its ARN, folder or s3://bucket/prefix/AWSDynamoDB/ID; once for each table",
    )
    export.add_argument(
        "--s3",
        metavar="s3://BUCKET/PREFIX",
        help="where new ones go; the warehouse, unless given, where that is in S3",
    )


def _dump(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.dump import dump_tables
    from pipelines.fanout import spark_fan_out
    from pipelines.migration import Migration

    migration, exporting = Migration.open(arguments.mapping), _exports(arguments)
    with spark_fan_out() as fan_out:
        manifest = dump_tables(
            migration, fan_out, snapshot_id=arguments.snapshot, rcu=arguments.rcu, exporting=exporting
        )
    return CommandResult(
        {
            "dump_id": manifest.id,
            "taken": manifest.taken,
            "items": manifest.items,
            "tombstones": manifest.tombstones,
            "unmapped": manifest.unmapped,
            "tables": dict(manifest.tables),
            "exports": {name: one.model_dump(mode="json") for name, one in manifest.exports.items()},
        },
        [
            f"dump {manifest.id}: {manifest.items:,} items,"
            f" {manifest.tombstones:,} tombstones, {manifest.unmapped:,} unmapped",
            *(f"  {name}: {count:,}" for name, count in manifest.tables.items()),
            *(
                f"  {name}: from export {one.location}, of {one.export_time:%Y-%m-%d %H:%M:%S} UTC"
                for name, one in manifest.exports.items()
            ),
        ],
    )


def _exports(arguments: argparse.Namespace) -> ExportOptions | None:
    """None for a scan."""
    if arguments.source == "export":
        from pipelines.dump.exporting.options import ExportOptions

        return ExportOptions(tuple(arguments.export), arguments.s3)
    if arguments.export or arguments.s3:
        raise UsageError("--export, --s3: only with --from export")
    return None


COMMAND = Command("dump", "read the DynamoDB tables into records", _arguments, _dump)
