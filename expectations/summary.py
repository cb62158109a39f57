"""What a run found, in one sentence."""

from __future__ import annotations

from pipelines.diff.standing import beyond_thresholds, wrong
from pipelines.warehouse.manifest import DiffManifest


def summary_of(run: DiffManifest) -> str:
    if run.consistent and run.verdicts.match == run.union:
        return f"Source and target hold the same {run.union:,} items."
    if run.consistent:
        return (
            f"{run.verdicts.match:,} of {run.union:,} items are equal; the others are within what the mapping allows."
        )
    if wrong(run.verdicts):
        return f"{wrong(run.verdicts):,} of {run.union:,} items are not as they should be."
    if beyond := beyond_thresholds(run):
        return f"No wrong item was found, but more than the mapping lets pass: {'; '.join(beyond.values())}."
    return "No wrong item was found, and yet this cannot be called consistent."
