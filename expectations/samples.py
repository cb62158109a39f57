"""Rows of the differences dataset, for a reader."""

from __future__ import annotations

from typing import Any

from expectations.differences import DifferencesScan
from expectations.display import cut, values, visible
from expectations.key_mask import KeyMask
from expectations.report_data import PathDifference, Sample
from expectations.words import VERDICTS
from pipelines.mapping.plan import MigrationPlan

PATHS_PER_SAMPLE = 50


def samples_of(scan: DifferencesScan, plan: MigrationPlan) -> tuple[Sample, ...]:
    """In the order of VERDICTS, then by table and key."""
    mask = KeyMask.of(plan)
    return tuple(
        _sample(row, mask)
        for verdict in VERDICTS
        if verdict in scan.samples
        for row in scan.samples[verdict].to_pylist()
    )


def _sample(row: dict[str, Any], mask: KeyMask) -> Sample:
    item_type, table = row["item_type"] or "", row["table"]

    def shown(document: str | None) -> str | None:
        return None if document is None else mask.shown(document, item_type, table)

    return Sample(
        item_type=visible(item_type),
        table=table,
        key=shown(row["key"]) or "(its key could not be built)",
        source_key=shown(row["source_key"]),
        verdict=row["verdict"],
        words=VERDICTS[row["verdict"]],
        source_version=row["source_version"],
        target_version=row["target_version"],
        source_size=row["source_size"],
        target_size=row["target_size"],
        paths=tuple(_path(path) for path in row["paths"][:PATHS_PER_SAMPLE]),
        more_paths=row["more_paths"] + len(row["paths"][PATHS_PER_SAMPLE:]),
    )


def _path(path: dict[str, Any]) -> PathDifference:
    source, target = values(path["source"], path["target"])
    return PathDifference(cut(path["path"]), path["kind"], source, target, tuple(path["accepted_by"] or ()))
