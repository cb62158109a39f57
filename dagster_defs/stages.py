"""The assets of one migration: each calls one stage and returns its counts as metadata."""

from collections.abc import Callable

import dagster as dg

from dagster_defs.backfill import PARTITIONS, BackfillConfig, parts_of
from dagster_defs.backfill import backfill as run_part
from dagster_defs.mapping_metadata import mapping_metadata
from dagster_defs.migrations import Found
from dagster_defs.owners import owners
from dagster_defs.resources import SparkResource
from dagster_defs.running import pool_of
from dagster_defs.stage_metadata import (
    DiffConfig,
    DumpConfig,
    diff_metadata,
    dump_metadata,
    records_metadata,
    report_metadata,
    snapshot_metadata,
)
from dagster_defs.step import failing_in_one_line, group_of, result


def migration_assets(found: Found) -> list[dg.AssetsDefinition]:
    """snapshot → records → backfill → dump → diff → report of one mapping file."""
    migration, path = found.mapping.migration, found.path

    def asset(
        what: str, deps: list[str], kinds: set[str], partitions: dg.PartitionsDefinition | None = None
    ) -> Callable[[Callable[..., dg.MaterializeResult[None]]], dg.AssetsDefinition]:
        return dg.asset(
            key=[migration, what],
            deps=[dg.AssetKey([migration, dep]) for dep in deps],
            group_name=group_of(migration),
            kinds=kinds,
            owners=owners(),
            metadata=mapping_metadata(found, what),
            partitions_def=partitions,
            pool=pool_of(migration, what),
        )

    @asset("snapshot", ["capture"], {"postgres", "parquet"})
    def snapshot() -> dg.MaterializeResult[None]:
        """One row is one source row, of one consistent cut of the columns that the mapping uses.

        The ledger's versions are of the same cut, where capture is on.
        """
        with failing_in_one_line():
            return result(snapshot_metadata(path))

    @asset("records", ["snapshot"], {"spark", "parquet"})
    def records(spark: SparkResource) -> dg.MaterializeResult[None]:
        """One row is one DynamoDB item as the newest snapshot says it should be.

        A source row that can be no item is a reject, and is counted. `backfill_usd_on_demand` is what writing all of
        them would cost, at most.
        """
        with failing_in_one_line():
            return result(records_metadata(path, spark))

    @asset("backfill", ["records"], {"spark", "dynamodb"}, PARTITIONS)
    def backfill(
        context: dg.AssetExecutionContext, config: BackfillConfig, spark: SparkResource
    ) -> dg.MaterializeResult[None]:
        """One row is one record written to its DynamoDB table; a partition is a share of the buckets.

        `superseded` records met something newer and left it. Launched again, it goes on where it was.
        """
        with failing_in_one_line():
            return result(run_part(path, config, spark, parts_of(context), context.log))

    @asset("dump", ["records", "backfill"], {"dynamodb", "parquet"})
    def dump(config: DumpConfig, spark: SparkResource) -> dg.MaterializeResult[None]:
        """One row is one item that DynamoDB holds now; read after the source: no write hides between them."""
        with failing_in_one_line():
            return result(dump_metadata(path, config, spark))

    @asset("diff", ["records", "dump"], {"spark", "parquet"})
    def diff(config: DiffConfig, spark: SparkResource) -> dg.MaterializeResult[None]:
        """One row is one key on which the two stores differ.

        The counts are of all verdicts, `match` among them. The job `repair` says what could be made right, and does it.
        """
        with failing_in_one_line():
            return result(diff_metadata(path, config, spark))

    @asset("report", ["diff"], {"html"})
    def report() -> dg.MaterializeResult[None]:
        """One row is one page that says whether the two stores hold the same data, and where not."""
        with failing_in_one_line():
            return result(report_metadata(path))

    return [snapshot, records, backfill, dump, diff, report]
