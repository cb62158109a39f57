"""`crossover report` and `crossover verify`: the commands that end in a report."""

from __future__ import annotations

import argparse
from pathlib import Path

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
from pipelines.monitoring.options import add_metrics_argument, metrics_of, named_by
from pipelines.warehouse.place import Place


def _report(arguments: argparse.Namespace) -> CommandResult:
    if arguments.all:
        if arguments.mapping is not None or arguments.run is not None:
            raise UsageError("--all is of every migration in the warehouse: leave out the mapping and --run")
        return _all_migrations()
    if arguments.mapping is None:
        raise UsageError("give MIGRATION.yaml, or --all for the page over all migrations")
    return _one_run(arguments)


def _all_migrations() -> CommandResult:
    from expectations.overview import write_overview
    from pipelines.settings import warehouse_address

    page, shown = write_overview(Place.of(warehouse_address()))
    return CommandResult(
        {
            "report": str(page),
            "migrations": {
                one.name: {"verdict": one.standing, "run_id": one.run.run_id if one.run else None}
                for one in shown.migrations
            },
        },
        [
            *(f"{one.name}: {one.standing}{f'. {one.run.summary}' if one.run else ''}" for one in shown.migrations),
            f"report: {page}",
        ],
    )


def _one_run(arguments: argparse.Namespace) -> CommandResult:
    from expectations.report import write_report
    from pipelines.migration import Migration
    from pipelines.warehouse.layout import read_manifest
    from pipelines.warehouse.manifest import DiffManifest

    migration = Migration.open(arguments.mapping)
    run_id = arguments.run or migration.folder.latest("diffs", "run `crossover verify` first")
    page = write_report(migration, run_id)
    diff = read_manifest(migration.folder.diff(run_id), DiffManifest, migration.mapping_hash)
    return CommandResult({"run_id": run_id, "consistent": diff.consistent, "report": str(page)}, _lines(page))


def _verify(arguments: argparse.Namespace) -> CommandResult:
    from expectations.report import write_report
    from pipelines.diff.sample import share_of
    from pipelines.migration import Migration
    from pipelines.monitoring.sinks import open_sinks
    from pipelines.monitoring.verification import failure_told, verification_metrics
    from pipelines.source.connect import source_url
    from pipelines.spark import session
    from pipelines.verify import verify

    sample = share_of(arguments.sample)
    migration = Migration.open(arguments.mapping)
    with (
        open_sinks(metrics_of(arguments), migration.mapping.migration, by=named_by(arguments)) as sinks,
        failure_told(sinks),
    ):
        url = source_url(migration.mapping)
        with session() as spark:
            result = verify(
                migration,
                url,
                spark,
                report=write_report,
                sample=sample,
                rcu=arguments.rcu,
                judge_at_most=arguments.judge_at_most,
            )
        diff = result.diff
        sinks.emit(verification_metrics(diff.verdicts.model_dump(), diff.consistent))
    return CommandResult(
        {
            "run_id": diff.id,
            **diff.verdicts.model_dump(),
            "consistent": diff.consistent,
            "coverage": diff.coverage,
            "report": str(result.report),
        },
        _lines(result.report),
        Exit.DONE if diff.consistent else Exit.INCONSISTENT,
    )


def _lines(page: Place) -> list[str]:
    text = (page.parent / "report.txt").read_text()
    return [*text.splitlines(), "", f"report: {page}"]


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mapping", metavar="MIGRATION.yaml", type=Path, nargs="?", help="the mapping file")
    parser.add_argument("--all", action="store_true", help="only the page over all migrations of the warehouse")
    parser.add_argument("--run", metavar="RUN", help="a finished diff; the newest unless given")


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    add_sample_argument(parser)
    add_rcu_argument(parser)
    add_judge_at_most_argument(parser)
    add_metrics_argument(parser)


report = Command("report", "write the report of a diff, and the page over all migrations", _report_arguments, _report)
verify = Command(
    "verify", "snapshot, records, dump, diff and report: are both stores equal?", _verify_arguments, _verify
)
