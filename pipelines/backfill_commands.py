"""The command `crossover backfill`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, Exit, add_mapping_argument, add_snapshot_argument
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pipelines.backfill.importing.options import ImportOptions
    from pipelines.migration import Migration


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    add_snapshot_argument(parser)
    parser.add_argument(
        "--mode",
        choices=["live", "cold", "import"],
        help="live: only where nothing newer is, with capture on; cold: an empty table that nobody else writes; "
        "import: DynamoDB makes new tables of objects in S3; unless given, live where the snapshot has versions",
    )
    parser.add_argument("--resume", action="store_true", help="insist on going on with an unfinished run")
    parser.add_argument("--force", action="store_true", help="cold, though the table is not empty or others write")
    parser.add_argument(
        "--wcu",
        metavar="N",
        help="write capacity units a second that each table may be made to use, its indexes' included, "
        "or a share of its provisioned capacity, 50%%; without limit unless given",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be written, its cost and how long")
    parser.add_argument(
        "--price",
        type=float,
        metavar="USD",
        help="with --dry-run: of a million write request units, or of a GB that is imported; that of us-east-1 on "
        "demand unless given",
    )
    parser.add_argument(
        "--part",
        metavar="N-of-M",
        action="append",
        default=[],
        help="write only this share of the keys, 1-of-8; the last part to be written finishes the run",
    )
    importing = parser.add_argument_group("with --mode import")
    importing.add_argument(
        "--s3",
        metavar="s3://BUCKET/PREFIX",
        help="where the objects go; the warehouse, unless given, where that is in S3",
    )
    importing.add_argument("--compression", choices=["gzip", "zstd"], help="of the objects; gzip unless given")
    importing.add_argument("--keep-objects", action="store_true", help="leave them there after the import")


def _backfill(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.backfill import run_backfill
    from pipelines.backfill.part import Part
    from pipelines.fanout import spark_fan_out
    from pipelines.migration import Migration

    migration = Migration.open(arguments.mapping)
    if arguments.dry_run:
        return _outlook(migration, arguments)
    if arguments.price is not None:
        raise UsageError("--price: only with --dry-run")
    with spark_fan_out() as fan_out:
        manifest = run_backfill(
            migration,
            fan_out,
            snapshot_id=arguments.snapshot,
            mode=arguments.mode,
            resume=arguments.resume,
            force=arguments.force,
            wcu=arguments.wcu,
            parts=[Part.parse(name) for name in arguments.part],
            importing=_import_options(arguments),
        )
    counts = {name: getattr(manifest, name) for name in ("records", "written", "superseded", "conflicts", "failed")}
    return CommandResult(
        {"run_id": manifest.id, "snapshot_id": manifest.snapshot_id, "mode": manifest.mode, **counts},
        [f"backfill {manifest.id}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items())],
        Exit.INCONSISTENT if manifest.conflicts else Exit.DONE,
    )


def _outlook(migration: Migration, arguments: argparse.Namespace) -> CommandResult:
    from pipelines.backfill import estimate
    from pipelines.backfill.outlook import import_outlook, outlook

    if arguments.part:
        raise UsageError("--dry-run: is of the whole backfill; leave --part out")
    importing = _import_options(arguments)
    if arguments.mode != "import":
        if importing is not None:
            raise UsageError(f"{', '.join(importing.given())}: only with --mode import")
        return outlook(migration, estimate(migration, snapshot_id=arguments.snapshot), arguments.wcu, arguments.price)
    from pipelines.backfill.importing.forecast import estimate_import

    if arguments.wcu is not None:
        raise UsageError("--mode import: uses none of the tables' capacity; leave --wcu out")
    return import_outlook(estimate_import(migration, snapshot_id=arguments.snapshot), arguments.price)


def _import_options(arguments: argparse.Namespace) -> ImportOptions | None:
    """None where none is given."""
    if not (arguments.s3 or arguments.compression or arguments.keep_objects):
        return None
    from pipelines.backfill.importing.options import ImportOptions

    return ImportOptions(arguments.s3, arguments.compression, arguments.keep_objects)


COMMAND = Command("backfill", "write the records to DynamoDB", _arguments, _backfill)
