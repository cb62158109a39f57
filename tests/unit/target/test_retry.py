from __future__ import annotations

import random

import pytest

from pipelines.target.retry import RetryPolicy

pytestmark = pytest.mark.unit


def test_waiting_grows_to_a_ceiling_and_is_spread_over_all_of_it() -> None:
    policy = RetryPolicy(first_delay_seconds=1.0, longest_delay_seconds=8.0)
    dice = random.Random(7)
    for failures, ceiling in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (50, 8)]:
        waits = [policy.delay_seconds(failures, dice) for _ in range(300)]
        assert 0 <= min(waits) < 0.1 * ceiling
        assert 0.9 * ceiling < max(waits) <= ceiling
