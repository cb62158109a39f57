"""The order of sending: all of it, the same each time, neighbours apart, tables side by side."""

from __future__ import annotations

from itertools import islice

import pyarrow as pa
import pytest

from pipelines.target.spread import ROWS_AT_ONCE, side_by_side, spread

pytestmark = pytest.mark.unit


def rows(count: int, padding: int = 0) -> pa.Table:
    return pa.table({"n": list(range(count)), "padding": ["x" * padding] * count})


def order(table: pa.Table, seed: int = 3) -> list[int]:
    return [n for piece in spread(table, seed) for n in piece.column("n").to_pylist()]


@pytest.mark.parametrize("count", [0, 1, 25, 999, 1_000, 2_503])
def test_every_row_once_and_the_same_order_each_time(count: int) -> None:
    found = order(rows(count))
    assert sorted(found) == list(range(count))
    assert found == order(rows(count))
    assert count < 25 or found != sorted(found)
    assert count < 25 or found != order(rows(count), seed=4)


def test_pieces_are_whole_batches_but_the_last() -> None:
    sizes = [piece.num_rows for piece in spread(rows(2_503), 1)]
    assert sizes == [ROWS_AT_ONCE, ROWS_AT_ONCE, 503]


def test_large_rows_are_shuffled_in_bounded_memory() -> None:
    sizes = [piece.num_rows for piece in spread(rows(200, padding=400_000), 1)]
    assert sizes == [75, 75, 50]


def test_lines_end_together() -> None:
    lines = [(90, [("a", 1)] * 90), (30, [("b", 1)] * 30), (0, [])]
    drawn = list(side_by_side(lines, lambda one: one[1]))
    assert len(drawn) == 120
    for start in range(0, 120, 12):
        assert 8 <= [name for name, _ in islice(drawn, start, start + 12)].count("a") <= 10
