"""How many tasks a budget is divided among."""

from __future__ import annotations

import pytest

from pipelines.target.capacity import Capacity

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("units", "buckets", "slots", "tasks"),
    [
        (500, 64, 8, 1),
        (7_999, 64, 8, 1),
        (8_000, 64, 8, 2),
        (40_000, 64, 64, 8),  # ten would have seven buckets, or six: too uneven
        (40_000, 64, 4, 4),
        (40_000, 3, 8, 3),
        (8_000, 3, 8, 1),  # two buckets for one, one for the other, would leave a quarter unused
        (40_000, 1, 8, 1),
        (40_000, 0, 8, 1),
    ],
)
def test_as_many_as_it_keeps_busy_and_end_together(units: float, buckets: int, slots: int, tasks: int) -> None:
    assert Capacity({"t": units}, {}).tasks(buckets, slots) == tasks


def test_the_smallest_budget_decides_and_all_are_divided() -> None:
    capacity = Capacity({"t": 40_000, "u": 8_000}, {})
    assert capacity.tasks(64, 64) == 2
    assert capacity.allowance("run", 2).units_per_second == {"t": 20_000, "u": 4_000}
