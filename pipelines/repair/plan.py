"""What a repair would do: the run's differences judged again, and nothing written."""

from __future__ import annotations

from pipelines.judging.verdict import Verdict
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.repair.decision import decide
from pipelines.repair.judged import batches, judged
from pipelines.repair.opened import opened_tools, run_to_repair
from pipelines.repair.tally import Tally


def plan_repair(migration: Migration, run_id: str, asked: frozenset[Verdict]) -> Tally:
    """`asked`: only these verdicts; none: the usual ones. Raises StageError, SourceError, TargetError, WarehouseError,
    AccountsError."""
    diff = run_to_repair(migration, run_id)
    tally = Tally()
    with opened_tools(migration, diff, writes=False) as tools, Progress("judge", diff.differences, "keys") as progress:
        for batch in batches(migration.folder.diff(run_id)):
            for judgement in judged(tools.judge, batch.suspects):
                item_type = judgement.suspect.item_type
                decision = decide(judgement, tools.rules(item_type, asked))
                tally.count(item_type or "", judgement.verdict.value, decision.standing, decision.reason)
                tally.show(judgement, decision.standing, tools.plan)
            progress.advance(len(batch.suspects))
    tally.require_total(diff.differences)
    return tally
