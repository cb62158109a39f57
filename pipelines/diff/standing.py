"""What the counts of a run, or of one item type in it, come to: the one word that a reader looks for first.

The stage, the pages, the command line and Dagster's checks all ask here.
"""

from __future__ import annotations

from enum import StrEnum

from pipelines.judging.verdict import UNDECIDED, WRONG, Verdict
from pipelines.warehouse.manifest import DiffManifest, Verdicts


class Standing(StrEnum):
    """The worst first: the order in which a page shows them."""

    INCONSISTENT = "not consistent"
    UNDECIDED = "undecided"
    UNREADABLE = "cannot be read"
    UNVERIFIED = "never verified"
    CONSISTENT = "consistent"


def wrong(verdicts: Verdicts) -> int:
    """Items that are not as they should be."""
    return sum(getattr(verdicts, verdict) for verdict in WRONG)


def undecided(verdicts: Verdicts) -> int:
    return sum(getattr(verdicts, verdict) for verdict in UNDECIDED)


def reasons_against(
    verdicts: Verdicts, rejected_at_most: int, accepted_at_most: int | None = None, pending_passes: bool = False
) -> tuple[str, ...]:
    """Why the stores cannot be called consistent, in words; empty where they can. `pending_passes`: what is pending is
    known to be delivered soon."""
    kinds = [kind for kind in (*WRONG, *UNDECIDED) if not (pending_passes and kind is Verdict.PENDING)]
    reasons = [f"{getattr(verdicts, kind):,} {kind}" for kind in kinds if getattr(verdicts, kind)]
    beyond = _beyond(verdicts, {Verdict.REJECTED: rejected_at_most, Verdict.ACCEPTED: accepted_at_most})
    reasons += beyond.values()
    if verdicts.total() == verdicts.rejected:
        reasons.append("nothing was compared")
    return tuple(reasons)


def beyond_thresholds(run: DiffManifest) -> dict[Verdict, str]:
    """What the run has more of than its mapping let pass, in words: `3 rejected, 0 allowed`."""
    return _beyond(run.verdicts, {Verdict.REJECTED: run.rejected_at_most, Verdict.ACCEPTED: run.accepted_at_most})


def standing_of_run(run: DiffManifest) -> Standing:
    """The run's own verdict. What it found nothing wrong in, nor too much of what is let pass, and yet could not call
    consistent, is undecided."""
    if run.consistent:
        return Standing.CONSISTENT
    return Standing.INCONSISTENT if wrong(run.verdicts) or beyond_thresholds(run) else Standing.UNDECIDED


def standing_of_item_type(verdicts: Verdicts, run: DiffManifest) -> Standing:
    """By its counts in the run. Thresholds are for all item types together: where one is passed, it is by each that
    has any. What is under way in a run that is consistent all the same is not late."""
    if wrong(verdicts) or any(getattr(verdicts, verdict) for verdict in beyond_thresholds(run)):
        return Standing.INCONSISTENT
    if undecided(verdicts) and not run.consistent:
        return Standing.UNDECIDED
    return Standing.CONSISTENT if verdicts.total() > verdicts.rejected else Standing.UNVERIFIED


def _beyond(verdicts: Verdicts, at_most: dict[Verdict, int | None]) -> dict[Verdict, str]:
    return {
        verdict: f"{found:,} {verdict}, {limit:,} allowed"
        for verdict, limit in at_most.items()
        if limit is not None and (found := getattr(verdicts, verdict)) > limit
    }
