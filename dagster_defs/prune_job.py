"""The job that takes away what the mapping's `retention` does not keep, or says what it would."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_defs.confirmation import HOW, require_confirmation
from dagster_defs.running import pool_of, tags_of
from dagster_defs.step import Metadata, failing_in_one_line, group_of
from pipelines.migration import Migration
from pipelines.retention.prune import PrunePlan, plan_prune, prune


class PruneConfig(dg.Config):
    """Unless it is asked for, nothing is removed."""

    apply: bool = Field(default=False, description="remove them; else only say what would be removed")
    confirm: str = Field(default="", description=HOW + "apply")


def prune_job(migration: str, path: Path) -> dg.JobDefinition:
    """The job `<migration>_prune`."""
    name = f"{group_of(migration)}_prune"

    @dg.op(name=f"{name}_run", pool=pool_of(migration, "prune"))
    def remove(context: dg.OpExecutionContext, config: PruneConfig) -> None:
        """Removes old snapshots, records, dumps, diffs and reports, and nothing that is in use."""
        with failing_in_one_line():
            context.add_output_metadata(dict(prune_metadata(path, config, context.log)))

    @dg.job(
        name=name,
        description=f"{migration}: what the mapping's retention would remove; with apply and confirm it removes it",
        executor_def=dg.in_process_executor,
        tags=tags_of(migration, "prune"),
    )
    def job() -> None:
        remove()

    return job


def prune_metadata(path: Path, config: PruneConfig, log: dg.DagsterLogManager) -> Metadata:
    """Says in the log what came of it. Raises CrossoverError, of a stage at work a StageError."""
    opened = Migration.open(path)
    if config.apply:
        require_confirmation(opened.mapping.migration, config.confirm, "apply")
    plan = prune(opened) if config.apply else plan_prune(opened)
    log.info(
        f"{len(plan.removals):,} runs {'were removed' if config.apply else 'would be removed'}, "
        f"{len(plan.in_use):,} older ones stay, for they are in use"
        + ("" if config.apply or not plan.removals else "; launch it with apply, and confirm")
    )
    return {
        "prune": "applied" if config.apply else "planned",
        "removals": len(plan.removals),
        "in_use": len(plan.in_use),
        "kept": plan.kept,
        **_table(plan),
    }


def _table(plan: PrunePlan) -> Metadata:
    going = [dg.TableRecord({"stage": one.run.stage, "id": one.run.id, "why": one.why}) for one in plan.removals]
    staying = [dg.TableRecord({"stage": run.stage, "id": run.id, "why": "kept: in use"}) for run in plan.in_use]
    return {"runs": dg.MetadataValue.table([*going, *staying])} if going or staying else {}
