"""Rows of the differences dataset, for a reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from expectations.differences import DifferencesScan
from expectations.display import cut, values, visible
from expectations.key_mask import KeyMask
from expectations.report_data import PathDifference, Sample
from expectations.words import VERDICTS
from pipelines.judging.verdict import Verdict
from pipelines.mapping.plan import MigrationPlan
from pipelines.warehouse.dataset import reject_batches
from pipelines.warehouse.place import Place

PATHS_PER_SAMPLE = 50


_ROW = ("item_type", "table", "key", "source_key")
"""What a row of the differences and one of the rejects have in common."""

_Row = tuple[Any, ...]


def samples_of(scan: DifferencesScan, plan: MigrationPlan, records: Place) -> tuple[Sample, ...]:
    """In the order of VERDICTS, then by table and key. `records`: the folder of those that were compared, with the
    rejects. Raises WarehouseError."""
    mask = KeyMask.of(plan)
    rejects = _rejects(scan, records)
    return tuple(
        _sample(row, mask, rejects)
        for verdict in VERDICTS
        if verdict in scan.samples
        for row in scan.samples[verdict].to_pylist()
    )


def _rejects(scan: DifferencesScan, records: Place) -> dict[_Row, str]:
    """Why each of the samples is rejected. Those that became so since the snapshot have no reason there."""
    if Verdict.REJECTED not in scan.samples:
        return {}
    wanted = {_row(row) for row in scan.samples[Verdict.REJECTED].to_pylist()}
    found: dict[_Row, str] = {}
    for batch in reject_batches(records, [*_ROW, "reason", "attribute", "detail"]):
        rows = batch.filter(pc.is_in(batch["key"], _keys(wanted))).to_pylist()
        found |= {_row(row): _why(row) for row in rows if _row(row) in wanted}
        if len(found) == len(wanted):
            break
    return found


def _keys(rows: Iterable[_Row]) -> pa.Array:
    return pa.array({key for _, _, key, _ in rows}, pa.string())


def _row(row: dict[str, Any]) -> _Row:
    return tuple(row[name] for name in _ROW)


def _why(row: dict[str, Any]) -> str:
    """`number_out_of_range at lines.price: …`. The detail holds lengths and limits, never a value."""
    where = f" at {row['attribute']}" if row["attribute"] else ""
    detail = f": {row['detail']}" if row["detail"] else ""
    return cut(f"{row['reason']}{where}{detail}")


def _sample(row: dict[str, Any], mask: KeyMask, rejects: Mapping[_Row, str]) -> Sample:
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
        reject=rejects.get(_row(row), ""),
    )


def _path(path: dict[str, Any]) -> PathDifference:
    source, target = values(path["source"], path["target"])
    return PathDifference(cut(path["path"]), path["kind"], source, target, tuple(path["accepted_by"] or ()))
