"""The assets of one migration: each calls one stage and returns its counts as metadata."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_defs.backfill import PARTITIONS, BackfillConfig, parts_of
from dagster_defs.backfill import backfill as run_part
from dagster_defs.resources import SparkResource
from dagster_defs.step import Numbers, address_of, failing_in_one_line, group_of, result
from expectations.report import write_report
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.diff.again import Again
from pipelines.dump import dump_tables
from pipelines.fanout import SparkFanOut
from pipelines.migration import Migration
from pipelines.monitoring.options import configured
from pipelines.monitoring.sinks import open_sinks
from pipelines.monitoring.verification import failure_told, verification_metrics
from pipelines.snapshot import take_snapshot
from pipelines.source.connect import source_url


class DumpConfig(dg.Config):
    """How the tables are read."""

    rcu: str | None = Field(
        default=None,
        description="read capacity units a second of each table, or a share of what it has, as 50%; all that it takes "
        "unless given",
    )


def snapshot_numbers(path: Path) -> Numbers:
    opened = Migration.open(path)
    manifest = take_snapshot(opened, source_url(opened.mapping))
    rows = {f"rows {name}": table.rows for name, table in manifest.tables.items()}
    return {"snapshot_id": manifest.id, "rows": sum(rows.values()), **rows}


def records_numbers(path: Path, spark: SparkResource) -> Numbers:
    manifest = make_records(Migration.open(path), spark.session())
    return {
        "snapshot_id": manifest.snapshot_id,
        "records": manifest.records,
        "rejects": manifest.rejects,
        **{f"records {name}": counts.records for name, counts in manifest.item_types.items()},
    }


def migration_assets(migration: str, path: Path) -> list[dg.AssetsDefinition]:
    """snapshot → records → backfill → dump → diff → report of one mapping file."""

    def asset(
        what: str, deps: list[str], kinds: set[str], partitions: dg.PartitionsDefinition | None = None
    ) -> Callable[[Callable[..., dg.MaterializeResult[None]]], dg.AssetsDefinition]:
        return dg.asset(
            key=[migration, what],
            deps=[dg.AssetKey([migration, dep]) for dep in deps],
            group_name=group_of(migration),
            kinds=kinds,
            partitions_def=partitions,
            pool=f"{group_of(migration)}_{what}",  # where an instance limits it, runs of a stage wait for one another
        )

    @asset("snapshot", [], {"postgres", "parquet"})
    def snapshot() -> dg.MaterializeResult[None]:
        """One row is one source row, of one consistent cut of the columns that the mapping uses."""
        with failing_in_one_line():
            return result(snapshot_numbers(path))

    @asset("records", ["snapshot"], {"spark", "parquet"})
    def records(spark: SparkResource) -> dg.MaterializeResult[None]:
        """One row is one DynamoDB item as the newest snapshot says it should be."""
        with failing_in_one_line():
            return result(records_numbers(path, spark))

    @asset("backfill", ["records"], {"spark", "dynamodb"}, PARTITIONS)
    def backfill(
        context: dg.AssetExecutionContext, config: BackfillConfig, spark: SparkResource
    ) -> dg.MaterializeResult[None]:
        """One row is one record written to its DynamoDB table; a partition is a share of the buckets."""
        with failing_in_one_line():
            return result(run_part(path, config, spark, parts_of(context), context.log))

    @asset("dump", ["records", "backfill"], {"dynamodb", "parquet"})
    def dump(config: DumpConfig, spark: SparkResource) -> dg.MaterializeResult[None]:
        """One row is one item that DynamoDB holds now; read after the source: no write hides between them."""
        with failing_in_one_line():
            manifest = dump_tables(Migration.open(path), SparkFanOut(spark.session()), rcu=config.rcu)
        return result({"dump_id": manifest.id, **manifest.model_dump(include={"items", "tombstones", "unmapped"})})

    @asset("diff", ["records", "dump"], {"spark", "parquet"})
    def diff(spark: SparkResource) -> dg.MaterializeResult[None]:
        """One row is one key on which the two stores differ."""
        with failing_in_one_line():
            opened = Migration.open(path)
            with open_sinks(configured(), opened.mapping.migration) as sinks, failure_told(sinks):
                manifest = run_diff(opened, SparkFanOut(spark.session()), again=Again.where_known(opened))
                sinks.emit(verification_metrics(manifest.verdicts.model_dump(), manifest.consistent))
        return result(
            {
                "run_id": manifest.id,
                "consistent": manifest.consistent,
                "coverage": manifest.coverage,
                "differences": manifest.differences,
                "judged_again": manifest.judged_again,
                "not_judged_again": manifest.not_judged_again,
                **manifest.verdicts.model_dump(),
            }
        )

    @asset("report", ["diff"], {"html"})
    def report() -> dg.MaterializeResult[None]:
        """One row is one page that says whether the two stores hold the same data, and where not."""
        with failing_in_one_line():
            opened = Migration.open(path)
            run_id = opened.folder.latest("diffs", "materialize `diff` first")
            page = write_report(opened, run_id)
        return dg.MaterializeResult(metadata={"run_id": run_id, "report": dg.MetadataValue.url(address_of(page))})

    return [snapshot, records, backfill, dump, diff, report]
