"""The engine's own commands, each one stage. What a stage needs is imported only when its command runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.alarms_commands import COMMAND as ALARMS
from pipelines.assess_commands import COMMAND as ASSESS
from pipelines.capture_commands import COMMAND as CAPTURE
from pipelines.command import (
    Command,
    CommandResult,
    Exit,
    add_judge_at_most_argument,
    add_mapping_argument,
    add_rcu_argument,
    add_sample_argument,
)
from pipelines.errors import UsageError
from pipelines.permissions_commands import COMMAND as PERMISSIONS
from pipelines.relay_commands import RELAY
from pipelines.repair_commands import COMMAND as REPAIR
from pipelines.retention_commands import PRUNE, RUNS
from pipelines.sweep_commands import SWEEP

if TYPE_CHECKING:
    from pipelines.backfill.importing.options import ImportOptions
    from pipelines.dump.exporting.options import ExportOptions
    from pipelines.migration import Migration
    from pipelines.source.rds_export.request import ExportRequest


def _check(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.check import check
    from pipelines.mapping.load import load_mapping
    from pipelines.source.connect import connect, source_url

    mapping = load_mapping(arguments.mapping)
    with connect(source_url(mapping)) as connection:
        plan = check(mapping, connection)
    names = [item.name for item in plan.items]
    return CommandResult(
        {"migration": plan.name, "mapping_hash": plan.mapping_hash, "item_types": list(names)},
        [f"{arguments.mapping}: good; {len(names)} item types ({', '.join(names)})"],
    )


def _tables(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.mapping.load import load_mapping
    from pipelines.tables import create_tables
    from pipelines.target.client import dynamodb_client

    outcomes = create_tables(load_mapping(arguments.mapping), dynamodb_client())
    return CommandResult(
        {"tables": {outcome.table: outcome.state for outcome in outcomes}},
        [f"{outcome.table}: {outcome.state}" for outcome in outcomes],
    )


def _snapshot(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.snapshot import await_export, take_snapshot
    from pipelines.source.connect import source_url

    request = _export_request(arguments)
    migration = _open(arguments)
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


def _records(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.denormalise import make_records
    from pipelines.spark import session

    migration = _open(arguments)
    with session() as spark:
        manifest = make_records(migration, spark, arguments.snapshot, **_buckets_option(arguments))
    return CommandResult(
        {
            "snapshot_id": manifest.snapshot_id,
            "records": manifest.records,
            "rejects": manifest.rejects,
            "reject_reasons": dict(manifest.reject_reasons),
            "item_types": {name: one.model_dump(mode="json") for name, one in manifest.item_types.items()},
        },
        [
            f"records of snapshot {manifest.snapshot_id}: {manifest.records:,}, rejects: {manifest.rejects:,}",
            *(
                f"  {name}: {one.records:,} of {one.rows:,} rows ({one.filtered:,} filtered, {one.rejects:,} rejected)"
                for name, one in manifest.item_types.items()
            ),
            *(f"  rejected, {reason}: {count:,}" for reason, count in manifest.reject_reasons.items()),
        ],
    )


def _backfill(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.backfill import run_backfill
    from pipelines.backfill.part import Part
    from pipelines.fanout import spark_fan_out

    migration = _open(arguments)
    if arguments.dry_run:
        return _backfill_outlook(migration, arguments)
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


def _backfill_outlook(migration: Migration, arguments: argparse.Namespace) -> CommandResult:
    from pipelines.backfill import estimate
    from pipelines.backfill.outlook import import_outlook, outlook

    if arguments.part:
        raise UsageError("--dry-run: is of the whole backfill; leave --part out")
    if arguments.mode != "import":
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


def _dump(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.dump import dump_tables
    from pipelines.fanout import spark_fan_out

    migration, exporting = _open(arguments), _dump_exports(arguments)
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


def _dump_exports(arguments: argparse.Namespace) -> ExportOptions | None:
    """None for a scan."""
    if arguments.source == "export":
        from pipelines.dump.exporting.options import ExportOptions

        return ExportOptions(tuple(arguments.export), arguments.s3)
    if arguments.export or arguments.s3:
        raise UsageError("--export, --s3: only with --from export")
    return None


def _diff(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.diff import run_diff
    from pipelines.diff.again import Again
    from pipelines.diff.sample import share_of
    from pipelines.fanout import spark_fan_out

    sample = share_of(arguments.sample)
    migration = _open(arguments)
    with spark_fan_out() as fan_out:
        manifest = run_diff(
            migration,
            fan_out,
            snapshot_id=arguments.snapshot,
            dump_id=arguments.dump,
            sample=sample,
            again=Again.where_known(migration, arguments.judge_at_most),
        )
    counts = manifest.verdicts.model_dump()
    return CommandResult(
        {
            "run_id": manifest.id,
            **counts,
            "consistent": manifest.consistent,
            "coverage": manifest.coverage,
            "judged_again": manifest.judged_again,
            "not_judged_again": manifest.not_judged_again,
        },
        [
            f"diff {manifest.id}: {'consistent' if manifest.consistent else 'NOT consistent'}",
            *([f"  coverage: {manifest.coverage:.1%} of the keys"] if manifest.coverage < 1 else []),
            *(f"  {name}: {count:,}" for name, count in counts.items() if count),
            *(f"  because: {reason}" for reason in manifest.reasons),
        ],
    )


def _schema(_: argparse.Namespace) -> CommandResult:
    from pipelines.mapping.schema import json_schema

    schema = json_schema()
    return CommandResult(schema, [json.dumps(schema, indent=2)])


def _open(arguments: argparse.Namespace) -> Migration:
    from pipelines.migration import Migration

    return Migration.open(arguments.mapping)


def _buckets_option(arguments: argparse.Namespace) -> dict[str, int]:
    if arguments.buckets is None:
        return {}
    if not 1 <= arguments.buckets <= 4096:
        raise UsageError(f"--buckets {arguments.buckets}: give a number from 1 to 4096")
    return {"buckets": arguments.buckets}


def _with_mapping(
    *more: Callable[[argparse.ArgumentParser], object],
) -> Callable[[argparse.ArgumentParser], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        add_mapping_argument(parser)
        for one in more:
            one(parser)

    return add


def _no_arguments(_: argparse.ArgumentParser) -> None:
    """The command takes none."""


def _source_options(parser: argparse.ArgumentParser) -> None:
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


def _snapshot_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--snapshot", metavar="ID", help="a finished snapshot; the newest unless given")


def _backfill_options(parser: argparse.ArgumentParser) -> None:
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


def _dump_options(parser: argparse.ArgumentParser) -> None:
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


COMMANDS = (
    ASSESS,
    Command("check", "validate the mapping against the live schema", _with_mapping(), _check),
    Command("tables", "create the DynamoDB tables and indexes", _with_mapping(), _tables),
    Command("snapshot", "export one consistent cut of the source", _with_mapping(_source_options), _snapshot),
    Command(
        "records",
        "denormalise a snapshot into records",
        _with_mapping(
            _snapshot_option,
            lambda parser: parser.add_argument("--buckets", type=int, metavar="N", help="buckets, 64 unless given"),
        ),
        _records,
    ),
    Command(
        "backfill",
        "write the records to DynamoDB",
        _with_mapping(_snapshot_option, _backfill_options),
        _backfill,
    ),
    Command("dump", "read the DynamoDB tables into records", _with_mapping(_snapshot_option, _dump_options), _dump),
    Command(
        "diff",
        "compare the records of both sides",
        _with_mapping(
            _snapshot_option,
            lambda parser: parser.add_argument("--dump", metavar="ID", help="a finished dump; the newest"),
            add_sample_argument,
            add_judge_at_most_argument,
        ),
        _diff,
    ),
    REPAIR,
    CAPTURE,
    RELAY,
    SWEEP,
    RUNS,
    PRUNE,
    PERMISSIONS,
    ALARMS,
    Command("schema", "print the mapping's JSON Schema", _no_arguments, _schema),
)
