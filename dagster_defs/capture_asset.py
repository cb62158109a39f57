"""The ledger as the first asset of the graph: writers make it, not Dagster. Each drain says how far behind it is."""

from __future__ import annotations

import dagster as dg

from dagster_defs.mapping_metadata import mapping_metadata
from dagster_defs.migrations import Found
from dagster_defs.owners import owners
from dagster_defs.step import Numbers, group_of
from pipelines.deliver.opened import OpenedLedger
from pipelines.source.ledger.health import read_health


def capture_asset(found: Found) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=[found.mapping.migration, "capture"],
        group_name=group_of(found.mapping.migration),
        kinds={"postgres"},
        owners=owners(),
        description="One row is one change of an item, which a trigger appends in the writer's own transaction.\n\n"
        "There is none until capture is installed. Each run of the drain's job says how far behind the target is.",
        metadata=mapping_metadata(found, "capture"),
    )


def lag_numbers(ledger: OpenedLedger) -> Numbers:
    """`lag_seconds`: for how long at most something has been undelivered. Raises StageError, SourceError."""
    health = read_health(ledger.session, ledger.item_types)
    return {
        "lag_seconds": round(health.oldest_seconds, 1),
        "undelivered": health.undelivered,
        "set_apart": sum(one.set_apart for one in health.item_types),
        "open_marks": health.marks,
        "relays": len(health.relays),
        "paused": health.paused,
    }
