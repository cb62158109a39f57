"""What the newest diff found, as checks: as a whole, by verdict, by item type, and how much of the keys it compared."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import dagster as dg

from dagster_defs.check import WARN, Check, Finding, Newest, job_name
from dagster_defs.step import Metadata, address_of, distinct_names
from expectations.display import visible
from expectations.links import PAGE
from expectations.repair_command import repair_command
from expectations.words import VERDICTS, sentence
from pipelines.diff.sample import too_few
from pipelines.diff.standing import Standing, standing_of_item_type, standing_of_run, undecided, wrong
from pipelines.judging.verdict import UNDECIDED, WRONG, Verdict
from pipelines.mapping.model import Mapping
from pipelines.warehouse.manifest import Verdicts

CONSISTENT = "consistent"
REASONS = "reasons"
"""In the metadata of CONSISTENT: why the stores are not, in one line."""

_WARNING = (*UNDECIDED, Verdict.ACCEPTED)
_WORDS = {Standing.UNVERIFIED: "nothing compared"}  # of an item type
_OF_THE_RUN = {"coverage", "judged_again", "not_judged_again"}


def diff_checks(mapping: Mapping) -> list[Check]:
    return [
        Check(
            CONSISTENT,
            "Both stores hold the same data: no mismatch, missing, stale, extra, ahead, foreign or unmapped, nothing "
            "undecided, no threshold passed.",
            _consistent,
        ),
        Check("coverage_complete", "As large a share of the keys was compared as the mapping asks for.", _coverage),
        *(_verdict_check(verdict) for verdict in (*WRONG, *_WARNING)),
        *(_item_type_check(name, item_type) for name, item_type in item_type_names(mapping.items).items()),
    ]


def item_type_names(item_types: Iterable[str]) -> dict[str, str]:
    """The item types by the names of their checks, which hold letters, digits and underscores only; those that come to
    the same are numbered."""
    return {f"{name}_consistent": item_type for name, item_type in distinct_names(item_types).items()}


def _consistent(newest: Newest) -> Finding:
    run, reasons = newest.diff, "; ".join(newest.diff.reasons)
    return Finding(
        run.consistent,
        f"{standing_of_run(run)}: {reasons}" if reasons else standing_of_run(run).value,
        _mend(newest, run.verdicts),
        {**_run(newest), REASONS: reasons, **run.model_dump(include=_OF_THE_RUN), **run.verdicts.model_dump()},
    )


def _coverage(newest: Newest) -> Finding:
    run = newest.diff
    few = too_few(round(run.coverage * run.buckets), run.buckets, newest.migration.mapping.checks.least_coverage)
    return Finding(
        not few,
        few[0] if few else f"{run.coverage:.0%} of the buckets compared",
        f"launch the job {job_name(newest.migration, 'verify')} without a sample",
        {**_run(newest), "coverage": run.coverage},
    )


def _verdict_check(verdict: Verdict) -> Check:
    def look(newest: Newest) -> Finding:
        run, verdicts = newest.diff, newest.diff.verdicts
        found = getattr(verdicts, verdict)
        by_type = {visible(name) or "no item type": getattr(one, verdict) for name, one in run.item_types.items()}
        among = ", ".join(f"{name} {number:,}" for name, number in by_type.items() if number)
        return Finding(
            found == 0 or _is_let_pass(newest, verdict),
            f"{found:,} {verdict}: {among}" if found else f"0 {verdict}",
            _remedy(newest, verdict),
            {**_run(newest), "items": found, **{f"items {name}": number for name, number in by_type.items()}},
        )

    severity = {"severity": WARN} if verdict in _WARNING else {}
    return Check(f"no_{verdict}", f"{sentence(VERDICTS[verdict])}: no item is.", look, **severity)


def _is_let_pass(newest: Newest, verdict: Verdict) -> bool:
    """What is pending in a consistent run is not late; what is accepted may have a threshold."""
    run, at_most = newest.diff, newest.migration.mapping.checks.thresholds.accepted
    if verdict is Verdict.PENDING:
        return run.consistent
    return verdict is Verdict.ACCEPTED and at_most is not None and run.verdicts.accepted <= at_most


def _item_type_check(name: str, item_type: str) -> Check:
    def look(newest: Newest) -> Finding:
        verdicts = newest.diff.item_types.get(item_type, Verdicts())
        standing, spoilt = standing_of_item_type(verdicts, newest.diff), wrong(verdicts)
        found = f"{spoilt:,} wrong, {verdicts.rejected:,} rejected, {undecided(verdicts):,} undecided"
        return Finding(
            standing in (Standing.CONSISTENT, Standing.UNVERIFIED),
            f"{_WORDS.get(standing, standing)}: {found}",
            _mend(newest, verdicts),
            {**_run(newest), "wrong": spoilt, **verdicts.model_dump()},
            WARN if standing is Standing.UNDECIDED else None,
        )

    description = f"{item_type}: no item is wrong or undecided, and no more are rejected than the mapping lets pass."
    return Check(name, description, look)


def _remedy(newest: Newest, verdict: Verdict) -> str:
    migration = newest.migration
    match verdict:
        case Verdict.PENDING:
            return (
                f"`{shlex.join(['crossover', 'relay', str(migration.path), '--status'])}` says why it is not delivered"
            )
        case Verdict.IN_FLIGHT:
            return f"launch the job {job_name(migration, 'verify')} when fewer writes are under way"
        case Verdict.ACCEPTED:
            return "look at them in the report; `checks.thresholds.accepted` in the mapping says how many may be"
        case Verdict.FOREIGN:
            return (
                f"find out who writes there; `{repair_command(migration, newest.diff)} --verdict foreign` repairs them"
            )
        case _:
            return _mend(newest, Verdicts(**{verdict.value: 1}))


def _mend(newest: Newest, verdicts: Verdicts) -> str:
    """What a repair can make right, it should; the rest is for people to read about."""
    if wrong(verdicts) > verdicts.unmapped:
        job, command = job_name(newest.migration, "repair"), repair_command(newest.migration, newest.diff)
        return f"launch the job {job}, or `{command}`: both say first what they would do"
    if verdicts.unmapped:
        return "look at them in the report; map their keys, or remove the items"
    return "the report says which"


def _run(newest: Newest) -> Metadata:
    page = newest.migration.folder.report(newest.diff.id) / PAGE
    return {"run_id": newest.diff.id, "report": dg.MetadataValue.url(address_of(page))}
