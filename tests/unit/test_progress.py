"""What long work says of how far it is."""

from __future__ import annotations

import pytest

from pipelines.progress import Progress

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("total", "done", "seconds", "line"),
    [
        (7_400, 0, 3.0, "backfill: 0 of 7,400 items"),
        (7_400, 1_000, 10.0, "backfill: 1,000 of 7,400 items, 100/s, 1:04 left"),
        (7_400, 7_400, 10.0, "backfill: 7,400 of 7,400 items, 740/s, 0:00 left"),
        (None, 1_000, 10.0, "backfill: 1,000 items, 100/s"),
    ],
)
def test_a_rate_and_a_remaining_time_once_there_is_one(total: int | None, done: int, seconds: float, line: str) -> None:
    progress = Progress("backfill", total, "items")
    progress.advance(done)
    assert progress.line(seconds) == line
