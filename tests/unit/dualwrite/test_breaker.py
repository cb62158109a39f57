"""Whether commits wait while delivery fails."""

from __future__ import annotations

import pytest

from pipelines.dualwrite.breaker import MOST_FAILURES, Breaker, Way

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(5.0, clock)


def test_some_failures_in_a_row_close_the_way(breaker: Breaker) -> None:
    for _ in range(MOST_FAILURES - 1):
        breaker.failed()
    breaker.succeeded()
    for _ in range(MOST_FAILURES - 1):
        breaker.failed()
    assert breaker.way() is Way.OPEN
    breaker.failed()
    assert breaker.way() is Way.CLOSED


def test_a_lasting_failure_closes_it_at_once(breaker: Breaker) -> None:
    breaker.failed(lasting=True)
    assert breaker.way() is Way.CLOSED


def test_one_in_each_pause_tries(breaker: Breaker, clock: Clock) -> None:
    breaker.failed(lasting=True)
    assert not breaker.begins_trial()
    for _ in range(2):
        clock.now += 5.0
        assert breaker.way() is Way.TRIAL
        assert breaker.begins_trial() and not breaker.begins_trial()
        assert breaker.way() is Way.CLOSED
        breaker.failed()


def test_a_success_opens_it(breaker: Breaker, clock: Clock) -> None:
    breaker.failed(lasting=True)
    breaker.succeeded()
    assert breaker.way() is Way.OPEN and not breaker.begins_trial()
    breaker.failed()
    assert breaker.way() is Way.OPEN
