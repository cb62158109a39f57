"""A bucket's differences as the comparison left them, in batches to be judged again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq

from pipelines.diff.differences import differences_file
from pipelines.judging.suspect import Seen, Suspect
from pipelines.warehouse.place import Place

BATCH_ROWS = 400
BATCH_BYTES = 16 * 1024 * 1024  # of both sides' items; what is held meanwhile is some times as much
LONGEST_BATCH = 4_000  # rejects that claim one key stay together, up to so many

SuspectRow = dict[str, Any]
"""Of SUSPECT_SCHEMA."""


def suspect_batches(folder: Place, bucket: int) -> Iterator[list[SuspectRow]]:
    """In the file's order, which is that of tables and keys; rows of one key are in one batch. `folder` is the
    comparison's."""
    batch: list[SuspectRow] = []
    size = 0
    for row in _rows(folder, bucket):
        full = len(batch) >= BATCH_ROWS or size >= BATCH_BYTES
        if full and (not _share_key(batch[-1], row) or len(batch) >= LONGEST_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += (row["source_size"] or 0) + (row["target_size"] or 0)
    if batch:
        yield batch


def suspect_of(row: SuspectRow, seen: Seen | None = None, *, told: bool = False) -> Suspect:
    """`seen`: after the comparison. `told`: whether the reverse relay has told all that was written before the dump
    ended."""
    version = row["source_version"] if row["source_digest"] is not None else None
    seen = seen or Seen(row["source_digest"], row["target_digest"], row["target_version"], version)
    return Suspect(
        row["item_type"], row["table"], row["key"], row["source_key"], seen, row["target_version"] if told else None
    )


def _rows(folder: Place, bucket: int) -> Iterator[SuspectRow]:
    with differences_file(folder, bucket).open_input() as file:
        for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS):
            yield from batch.to_pylist()


def _share_key(one: SuspectRow, other: SuspectRow) -> bool:
    return one["key"] is not None and (one["table"], one["key"]) == (other["table"], other["key"])
