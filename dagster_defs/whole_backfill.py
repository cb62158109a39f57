"""The job that does all of a backfill in one run: snapshot → records → all parts at once.

It is made of ops, for a job of assets that has a partitioned one among them is launched for partitions, each with a
snapshot of its own. What it does is recorded as the assets'.
"""

from pathlib import Path

import dagster as dg

from dagster_defs.backfill import PARTITIONS, BackfillConfig, backfill
from dagster_defs.resources import SparkResource
from dagster_defs.running import pool_of, tags_of
from dagster_defs.stage_metadata import records_metadata, snapshot_metadata
from dagster_defs.step import Metadata, failing_in_one_line, group_of

_AFTER = dg.In(dg.Nothing)
_DONE = dg.Out(dg.Nothing)


def whole_backfill(migration: str, path: Path) -> dg.JobDefinition:
    """The job `<migration>_backfill`. No job ends in `_run`: an op that were named as the job of another migration
    would keep all of them from being loaded."""
    group = group_of(migration)

    @dg.op(name=f"{group}_whole_snapshot_run", out=_DONE, pool=pool_of(migration, "snapshot"))
    def snapshot(context: dg.OpExecutionContext) -> None:
        """Takes a snapshot of the source."""
        with failing_in_one_line():
            _record(context, migration, "snapshot", snapshot_metadata(path))

    @dg.op(name=f"{group}_whole_records_run", ins={"snapshot": _AFTER}, out=_DONE, pool=pool_of(migration, "records"))
    def records(context: dg.OpExecutionContext, spark: SparkResource) -> None:
        """Makes its rows the items that DynamoDB should hold."""
        with failing_in_one_line():
            _record(context, migration, "records", records_metadata(path, spark))

    @dg.op(name=f"{group}_whole_backfill_run", ins={"records": _AFTER}, out=_DONE, pool=pool_of(migration, "backfill"))
    def whole(context: dg.OpExecutionContext, config: BackfillConfig, spark: SparkResource) -> None:
        """Writes them, all parts at once."""
        with failing_in_one_line():
            numbers = backfill(path, config, spark, (), context.log)
        for part in PARTITIONS.get_partition_keys():
            context.log_event(dg.AssetMaterialization([migration, "backfill"], partition=part))
        _record(context, migration, "backfill", numbers)  # last: the asset's page shows the newest

    @dg.job(
        name=f"{group}_backfill",
        description=f"{migration}: snapshot → records → backfill, all parts in one run",
        executor_def=dg.in_process_executor,  # one Spark session for all steps of a run
        tags=tags_of(migration, "backfill"),
    )
    def job() -> None:
        taken = snapshot.alias(f"{group}__snapshot")()
        made = records.alias(f"{group}__records")(snapshot=taken)
        whole.alias(f"{group}__backfill")(records=made)

    return job


def _record(context: dg.OpExecutionContext, migration: str, stage: str, metadata: Metadata) -> None:
    context.log_event(dg.AssetMaterialization([migration, stage], metadata=dict(metadata)))
