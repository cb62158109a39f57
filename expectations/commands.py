"""`crossover report` and `crossover verify`: the commands that end in a report."""

from __future__ import annotations

import argparse

from pipelines.command import Command, CommandResult, Exit, add_mapping_argument
from pipelines.warehouse.place import Place


def _report(arguments: argparse.Namespace) -> CommandResult:
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
    from pipelines.migration import Migration
    from pipelines.source.connect import source_url
    from pipelines.spark import session
    from pipelines.verify import verify

    migration = Migration.open(arguments.mapping)
    url = source_url(migration.mapping)
    with session() as spark:
        result = verify(migration, url, spark, report=write_report)
    diff = result.diff
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
    add_mapping_argument(parser)
    parser.add_argument("--run", metavar="RUN", help="a finished diff; the newest unless given")


report = Command("report", "write the report of a diff", _report_arguments, _report)
verify = Command(
    "verify", "snapshot, records, dump, diff and report: are both stores equal?", add_mapping_argument, _verify
)
