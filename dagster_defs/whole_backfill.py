"""The job that does all of a backfill in one run: snapshot → records → all parts at once.

It is made of ops, for a job of assets that has a partitioned one among them is launched for partitions, each with a
snapshot of its own. What it does is recorded as the assets'.
"""

from pathlib import Path

import dagster as dg

from dagster_defs.backfill import PARTITIONS, BackfillConfig, backfill
from dagster_defs.resources import SparkResource
from dagster_defs.stages import records_numbers, snapshot_numbers
from dagster_defs.step import Numbers, failing_in_one_line, group_of

_AFTER = dg.In(dg.Nothing)
_DONE = dg.Out(dg.Nothing)


def whole_backfill(migration: str, path: Path) -> dg.JobDefinition:
    """The job `<migration>_backfill`."""
    group = group_of(migration)

    @dg.op(name=f"{group}_whole_snapshot", out=_DONE)
    def snapshot(context: dg.OpExecutionContext) -> None:
        with failing_in_one_line():
            _record(context, migration, "snapshot", snapshot_numbers(path))

    @dg.op(name=f"{group}_whole_records", ins={"snapshot": _AFTER}, out=_DONE)
    def records(context: dg.OpExecutionContext, spark: SparkResource) -> None:
        with failing_in_one_line():
            _record(context, migration, "records", records_numbers(path, spark))

    @dg.op(name=f"{group}_whole_backfill", ins={"records": _AFTER}, out=_DONE)
    def whole(context: dg.OpExecutionContext, config: BackfillConfig, spark: SparkResource) -> None:
        with failing_in_one_line():
            numbers = backfill(path, config, spark, (), context.log)
        _record(context, migration, "backfill", numbers)
        for part in PARTITIONS.get_partition_keys():
            context.log_event(dg.AssetMaterialization([migration, "backfill"], partition=part))

    @dg.job(
        name=f"{group}_backfill",
        description=f"{migration}: snapshot → records → backfill, all parts in one run",
        executor_def=dg.in_process_executor,  # one Spark session for all steps of a run
    )
    def job() -> None:
        taken = snapshot.alias(f"{group}__snapshot")()
        made = records.alias(f"{group}__records")(snapshot=taken)
        whole.alias(f"{group}__backfill")(records=made)

    return job


def _record(context: dg.OpExecutionContext, migration: str, stage: str, numbers: Numbers) -> None:
    context.log_event(dg.AssetMaterialization([migration, stage], metadata=dict(numbers)))
