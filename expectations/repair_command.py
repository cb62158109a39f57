"""How to mend what a run found wrong."""

from __future__ import annotations

import shlex

from expectations.display import visible
from pipelines.diff.standing import wrong
from pipelines.migration import Migration
from pipelines.warehouse.manifest import DiffManifest


def repair_command(migration: Migration, run: DiffManifest) -> str:
    """To be pasted into a shell of the machine that the report was made on; "" where there is nothing that it could
    mend: an item whose key fits no item type is never touched."""
    if wrong(run.verdicts) == run.verdicts.unmapped:
        return ""
    return visible(shlex.join(["crossover", "repair", str(migration.path), "--run", run.id]))
