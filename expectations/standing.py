"""What the counts of a run, or of one item type in it, come to: the one word that a reader looks for first."""

from __future__ import annotations

from enum import StrEnum

from pipelines.judging.verdict import UNDECIDED, WRONG
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


def standing_of_run(run: DiffManifest) -> Standing:
    """The run's own verdict; what it found nothing wrong in, and yet could not call consistent, is undecided."""
    if run.consistent:
        return Standing.CONSISTENT
    return Standing.INCONSISTENT if wrong(run.verdicts) else Standing.UNDECIDED


def standing_of_item_type(verdicts: Verdicts, run_is_consistent: bool) -> Standing:
    """By its counts: thresholds are for all item types together. What is under way in a run that is consistent all the
    same is not late."""
    if wrong(verdicts):
        return Standing.INCONSISTENT
    if undecided(verdicts) and not run_is_consistent:
        return Standing.UNDECIDED
    return Standing.CONSISTENT if verdicts.total() > verdicts.rejected else Standing.UNVERIFIED
