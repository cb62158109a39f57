"""The engine's own commands, in the order of a migration. What a stage needs is imported only when its command runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from pipelines.alarms_commands import COMMAND as ALARMS
from pipelines.backfill_commands import COMMAND as BACKFILL
from pipelines.capture_commands import COMMAND as CAPTURE
from pipelines.command import (
    Command,
    CommandResult,
    add_judge_at_most_argument,
    add_mapping_argument,
    add_sample_argument,
    add_snapshot_argument,
)
from pipelines.cutover_commands import COMMAND as CUTOVER
from pipelines.dump_commands import COMMAND as DUMP
from pipelines.errors import UsageError
from pipelines.permissions_commands import COMMAND as PERMISSIONS
from pipelines.relay_commands import RELAY
from pipelines.repair_commands import COMMAND as REPAIR
from pipelines.retention_commands import PRUNE, RUNS
from pipelines.routing_commands import COMMAND as ROUTE
from pipelines.snapshot_commands import COMMAND as SNAPSHOT
from pipelines.sweep_commands import SWEEP
from pipelines.writes_commands import COMMAND as WRITES


def _check(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.check import check, notes
    from pipelines.mapping.load import load_mapping
    from pipelines.source.connect import connect, source_url

    mapping = load_mapping(arguments.mapping)
    with connect(source_url(mapping)) as connection:
        plan = check(mapping, connection)
    names, noted = [item.name for item in plan.items], notes(plan)
    return CommandResult(
        {"migration": plan.name, "mapping_hash": plan.mapping_hash, "item_types": list(names), "notes": list(noted)},
        [
            f"{arguments.mapping}: good; {len(names)} item type{'s' * (len(names) != 1)} ({', '.join(names)})",
            *(f"  note: {note}" for note in noted),
        ],
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


def _records(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.denormalise import make_records
    from pipelines.migration import Migration
    from pipelines.spark import session

    migration = Migration.open(arguments.mapping)
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


def _diff(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.diff import run_diff
    from pipelines.diff.again import Again
    from pipelines.diff.sample import share_of
    from pipelines.diff.standing import standing_of_run
    from pipelines.fanout import spark_fan_out
    from pipelines.migration import Migration

    sample = share_of(arguments.sample)
    migration = Migration.open(arguments.mapping)
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
            f"diff {manifest.id}: {standing_of_run(manifest)}",
            *([f"  coverage: {manifest.coverage:.1%} of the keys"] if manifest.coverage < 1 else []),
            *(f"  {name}: {count:,}" for name, count in counts.items() if count),
            *(f"  because: {reason}" for reason in manifest.reasons),
        ],
    )


def _schema(_: argparse.Namespace) -> CommandResult:
    from pipelines.mapping.schema import json_schema

    schema = json_schema()
    return CommandResult(schema, [json.dumps(schema, indent=2)])


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


COMMANDS = (
    Command("check", "validate the mapping against the live schema", _with_mapping(), _check),
    Command("tables", "create the DynamoDB tables and indexes", _with_mapping(), _tables),
    SNAPSHOT,
    Command(
        "records",
        "denormalise a snapshot into records",
        _with_mapping(
            add_snapshot_argument,
            lambda parser: parser.add_argument("--buckets", type=int, metavar="N", help="buckets, 64 unless given"),
        ),
        _records,
    ),
    BACKFILL,
    DUMP,
    Command(
        "diff",
        "compare the records of both sides",
        _with_mapping(
            add_snapshot_argument,
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
    ROUTE,
    WRITES,
    CUTOVER,
    PERMISSIONS,
    ALARMS,
    Command("schema", "print the mapping's JSON Schema", _no_arguments, _schema),
)
