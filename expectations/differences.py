"""Reads what a diff found: its summary, and a bounded sample of its differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from pipelines.diff.account import DiffSummary
from pipelines.diff.run import SUMMARY
from pipelines.errors import WarehouseError
from pipelines.warehouse.place import MissingError, Place

SAMPLES_PER_VERDICT = 20
_BATCH_ROWS = 8_192
_ORDER = [("table", "ascending"), ("key", "ascending"), ("source_key", "ascending")]  # by UTF-8 bytes, null last


@dataclass(frozen=True)
class DifferencesScan:
    """`samples`: per verdict, the first rows by table and key, as the dataset holds them. `rows`: all there are."""

    samples: dict[str, pa.Table]
    rows: int


def scan_differences(folder: Place, samples_per_verdict: int = SAMPLES_PER_VERDICT) -> DifferencesScan:
    """Reads all `bucket=<n>.parquet` of the folder once, in bounded memory."""
    samples: dict[str, pa.Table] = {}
    rows = 0
    for batch in _batches(folder):
        rows += batch.num_rows
        for verdict in batch["verdict"].unique().to_pylist():
            found = batch.filter(pc.equal(batch["verdict"], verdict))
            known = [samples[verdict]] if verdict in samples else []
            samples[verdict] = pa.concat_tables([*known, found]).sort_by(_ORDER).slice(0, samples_per_verdict)
    return DifferencesScan(samples, rows)


def read_summary(folder: Place) -> DiffSummary:
    """`folder` is the diff's. Raises WarehouseError."""
    path = folder / SUMMARY
    try:
        return DiffSummary.model_validate_json(path.read_text())
    except MissingError:
        raise WarehouseError(f"{path}: missing; run `crossover diff` again") from None
    except ValidationError:
        raise WarehouseError(f"{path}: damaged, or of another Crossover; run `crossover diff` again") from None


def _batches(folder: Place) -> Iterator[pa.Table]:
    for file in folder.files(".parquet"):
        with file.open_input() as source:
            for batch in pq.ParquetFile(source).iter_batches(batch_size=_BATCH_ROWS):
                yield pa.Table.from_batches([batch])
