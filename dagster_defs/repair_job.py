"""The job that makes right what a verification found wrong: it says what it would do, does it, or takes it back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_defs.confirmation import HOW, require_confirmation
from dagster_defs.option_fields import in_fields
from dagster_defs.running import pool_of, tags_of
from dagster_defs.step import Metadata, failing_in_one_line, group_of
from pipelines.errors import UsageError
from pipelines.judging.verdict import Verdict
from pipelines.migration import Migration
from pipelines.repair.apply import apply_repair
from pipelines.repair.askable import ASKABLE
from pipelines.repair.decision import Standing
from pipelines.repair.plan import plan_repair
from pipelines.repair.tally import Sample
from pipelines.repair.undo import undo_repair

_ENDED = ("judged", "repaired", "no_longer_different", "pending", "not_repairable", "failed")

_OTHERS = (Standing.NO_LONGER, Standing.PENDING, Standing.NOT)

Named = Enum("Named", [(one.value, one.value) for one in ASKABLE])  # type: ignore[misc] # a list of literals is wanted
"""By the names that the UI shows: Dagster takes an enumeration's names, not its values."""


class RepairConfig(dg.Config):
    """Which differences, and whether they are repaired. Unless it is asked for, nothing is written."""

    run: str | None = Field(
        default=None, description="the verification, or diff, whose differences it is; the newest unless given"
    )
    verdicts: list[Named] = Field(
        default=[],
        description="only differences of these: mismatch, missing, stale, extra, ahead, and foreign, which is left "
        "alone unless it is named",
    )
    apply: bool = Field(default=False, description="repair them, keeping the old items; else only say what would")
    undo: bool = Field(default=False, description="put the old items back where nothing has changed since")
    confirm: str = Field(default="", description=HOW + "apply and undo")


def repair_job(migration: str, path: Path) -> dg.JobDefinition:
    """The job `<migration>_repair`."""
    name = f"{group_of(migration)}_repair"

    @dg.op(name=f"{name}_run", pool=pool_of(migration, "repair"))
    def repair(context: dg.OpExecutionContext, config: RepairConfig) -> None:
        """Judges the differences of a run again and, if it is told to, repairs them."""
        with failing_in_one_line():
            told = repair_metadata(path, config, context.log)
        context.log_event(dg.AssetObservation([migration, "diff"], metadata=dict(told)))
        if told.get("failed"):
            raise dg.Failure(f"{told['failed']:,} items could not be written; launch it again", allow_retries=False)

    @dg.job(
        name=name,
        description=f"{migration}: what a repair would do; with apply and confirm it does it, with undo takes it back",
        executor_def=dg.in_process_executor,
        tags=tags_of(migration, "repair"),
    )
    def job() -> None:
        repair()

    return job


def repair_metadata(path: Path, config: RepairConfig, log: dg.DagsterLogManager) -> Metadata:
    """Says in the log what came of it. Raises CrossoverError."""
    if config.apply and config.undo:
        raise UsageError("apply and undo: only one of them")
    if config.undo and config.verdicts:
        raise UsageError("verdicts: not with undo, which takes back the whole repair")
    opened = Migration.open(path)
    if config.apply or config.undo:
        require_confirmation(opened.mapping.migration, config.confirm, "apply" if config.apply else "undo")
    run_id = config.run or opened.folder.latest("diffs", "materialize `diff` first")
    asked = frozenset(Verdict(one.value) for one in config.verdicts)
    if config.undo:
        return _undone(opened, run_id, log)
    return (_applied if config.apply else _planned)(opened, run_id, asked, log)


def _planned(migration: Migration, run_id: str, asked: frozenset[Verdict], log: dg.DagsterLogManager) -> Metadata:
    tally = plan_repair(migration, run_id, asked)
    standings = tally.standings()
    repairable = standings[Standing.REPAIRABLE.value]
    log.info(
        f"repair of run {run_id}: {repairable:,} of {standings.total():,} differences would be repaired; "
        "nothing was written: launch it with apply, and confirm"
    )
    samples = [sample for some in tally.samples.values() for sample in some]
    return {
        "repair": "planned",
        "run_id": run_id,
        "judged": standings.total(),
        **{one.value: standings[one.value] for one in (Standing.REPAIRABLE, *_OTHERS)},
        **_reasons(tally.reasons()),
        **_table(samples),
    }


def _applied(migration: Migration, run_id: str, asked: frozenset[Verdict], log: dg.DagsterLogManager) -> Metadata:
    manifest = apply_repair(migration, run_id, asked)
    log.info(f"repair {manifest.id} of run {run_id}: {manifest.repaired:,} repaired; verify again; undo takes it back")
    counts = manifest.model_dump(include=set(_ENDED))
    return {
        "repair": "applied",
        "repair_id": manifest.id,
        "run_id": run_id,
        **{name: counts[name] for name in _ENDED},
        **_reasons(manifest.reasons),
    }


def _undone(migration: Migration, run_id: str, log: dg.DagsterLogManager) -> Metadata:
    undone = undo_repair(migration, run_id)
    left = sum(undone.left.values())
    tell = log.warning if left else log.info
    tell(f"repair {undone.repair_id} of run {run_id}: {undone.undone:,} items are as they were, {left:,} were left")
    return {
        "repair": "undone",
        "repair_id": undone.repair_id,
        "run_id": run_id,
        "undone": undone.undone,
        "left": left,
        **_reasons(undone.left),
    }


def _reasons(reasons: Mapping[str, int]) -> Metadata:
    """Why something is not repaired, or was left."""
    in_words = {in_fields(reason): count for reason, count in reasons.items()}
    return {"reasons": dg.MetadataValue.json(in_words)} if in_words else {}


def _table(samples: Sequence[Sample]) -> Metadata:
    """Their keys are masked where they show something sensitive."""
    records = [dg.TableRecord(asdict(sample)) for sample in samples]
    return {"sample": dg.MetadataValue.table(records)} if records else {}
