"""The order in which a bucket's records are sent: neighbours in a file share their partition key, and one partition of
DynamoDB takes 1,000 write units a second, whatever its table may.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

T = TypeVar("T")

ROWS_AT_ONCE = 1_000
_WHOLE_BATCH = 25
_WINDOW_BYTES = 32 << 20


def spread(records: pa.Table, seed: int) -> Iterator[pa.RecordBatch]:
    """All rows, shuffled among about 32 MB at a time, in pieces of ROWS_AT_ONCE at most. The same for the same seed."""
    dice = np.random.default_rng(seed)
    for window in records.to_batches(max_chunksize=_window_rows(records)):
        order = pa.array(dice.permutation(window.num_rows))
        for start in range(0, window.num_rows, ROWS_AT_ONCE):
            yield window.take(order.slice(start, ROWS_AT_ONCE))


def side_by_side(lines: Sequence[tuple[int, Iterable[T]]], size: Callable[[T], int]) -> Iterator[T]:
    """Each line with the sum of its sizes; drawn so that all come to their end together."""
    sources = [iter(line) for _, line in lines]
    done = [(0.0, number) for number in range(len(lines))]
    while done:
        share, number = done[0]
        one = next(sources[number], None)
        if one is None:
            heapq.heappop(done)
            continue
        yield one
        heapq.heapreplace(done, (share + size(one) / max(1, lines[number][0]), number))


def _window_rows(records: pa.Table) -> int:
    """So many that batches are full."""
    row_bytes: int = records.nbytes // max(1, records.num_rows)
    rows = _WINDOW_BYTES // max(1, row_bytes)
    step = ROWS_AT_ONCE if rows >= ROWS_AT_ONCE else _WHOLE_BATCH
    return max(1, rows // step) * step
