"""The pace of what is sent: never above the budget, and not below it while there is something to send."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.target.budget import BURST_SECONDS, Allowance, Budget, Pace, asking
from pipelines.target.charge import FREE, Charge, Tariff
from pipelines.target.table_shape import Key, TableShape
from pipelines.target.wire import Answer, Refusal

pytestmark = pytest.mark.unit

TARIFF = Tariff(TableShape((Key("pk", "S"),), {}))


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def budget(clock: Clock, units_per_second: float = 100) -> Budget:
    return Budget({"t": units_per_second}, {"t": TARIFF}, clock)


def sent(pace: Pace, clock: Clock, jobs: list[int], pauses: list[float] | None = None) -> list[tuple[float, int]]:
    """When each was sent, as soon as there was room. `pauses`: before each there was nothing to send for so long."""
    found = []
    for units, pause in zip(jobs, pauses or [0.0] * len(jobs), strict=True):
        clock.now += pause
        clock.now += pace.seconds_until(units)
        pace.take(units)
        found.append((clock.now, units))
    return found


def most_in(entries: list[tuple[float, int]], seconds: float) -> int:
    return max(sum(units for at, units in entries if start <= at < start + seconds) for start, _ in entries)


@given(
    rate=st.integers(1, 5_000),
    jobs=st.lists(st.tuples(st.integers(1, 1_200), st.floats(0, 3)), min_size=1, max_size=60),
)
def test_over_any_five_seconds_a_tenth_more_at_most_or_one_job(rate: int, jobs: list[tuple[int, float]]) -> None:
    clock = Clock()
    entries = sent(Pace(rate, clock), clock, [units for units, _ in jobs], [pause for _, pause in jobs])
    dearest = max(units for units, _ in jobs)
    assert most_in(entries, 5) <= 5 * rate + max(0.1 * 5 * rate, dearest) + 1e-3


@given(rate=st.integers(1, 5_000), jobs=st.lists(st.integers(1, 1_200), min_size=1, max_size=60))
def test_what_there_is_to_send_is_sent_at_the_rate(rate: int, jobs: list[int]) -> None:
    clock = Clock()
    began = clock.now
    sent(Pace(rate, clock), clock, jobs)
    assert clock.now - began <= sum(jobs) / rate + BURST_SECONDS + 1e-3


def test_one_that_is_dearer_than_the_burst_goes_when_the_bucket_is_full_and_is_paid_back() -> None:
    clock = Clock()
    pace = Pace(100, clock)
    assert pace.seconds_until(300) == pytest.approx(0.25)
    clock.now += 0.25
    assert pace.seconds_until(300) == 0
    pace.take(300)
    assert pace.seconds_until(1) == pytest.approx(2.76)


def test_what_is_late_cannot_come_together_with_much_else() -> None:
    clock = Clock()
    one = budget(clock)
    clock.now += 10
    assert one.seconds_until("t", Charge(10), under_way=15) == 0
    assert one.seconds_until("t", Charge(10), under_way=16) == math.inf
    assert one.seconds_until("t", Charge(300), under_way=0) == 0
    assert one.request_units("t") == 12.5


def test_throttling_lowers_the_pace_once_a_second_and_it_comes_back() -> None:
    clock = Clock()
    pace = Pace(100, clock)
    pace.slow_down()
    pace.slow_down()
    assert pace.seconds_until(8) == pytest.approx(0.1)  # 80 a second
    clock.now += 1.0
    pace.slow_down()
    assert pace.seconds_until(25) < 0.01
    pace.take(25)
    assert pace.seconds_until(6.56) == pytest.approx(0.1)  # (80 + 2) * 0.8 a second
    clock.now += 60
    assert pace.seconds_until(25) == 0
    pace.take(25)
    assert pace.seconds_until(10) == pytest.approx(0.1)


def test_however_often_it_is_throttled_a_tenth_is_left() -> None:
    clock = Clock()
    pace = Pace(100, clock)
    for _ in range(50):
        clock.now += 1.0
        pace.slow_down()
    pace.take(25)
    assert pace.seconds_until(1) == pytest.approx(0.1)


def left(budget: Budget) -> float:
    """Units owed, told from how long the next has to wait."""
    return budget.seconds_until("t", Charge(1)) * 100 - 1


def owing(answer: Answer | Refusal, charge: Charge) -> float:
    one = budget(Clock())
    one.take("t", charge)
    one.settle("t", charge, answer)
    return left(one)


def consumed(units: Any, table: str = "t") -> Answer:
    return Answer({"ConsumedCapacity": [{"TableName": table, "CapacityUnits": units}], "UnprocessedItems": {}})


@pytest.mark.parametrize(
    ("answer", "units"),
    [
        (consumed(30.0), 30),
        (consumed(55.0), 55),
        (Answer({"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 25.0}}), 25),
        (consumed(1.0), 40),  # less than the items take in the table alone: a stand-in's
        (consumed(30.0, "other"), 40),
        (consumed(None), 40),
        (Answer({}), 40),
        (Answer({"ConsumedCapacity": "none"}), 40),
        (Refusal("InternalServerError", "", passing=True), 40),
    ],
)
def test_an_answer_that_can_be_believed_settles_the_estimate(answer: Answer | Refusal, units: int) -> None:
    assert owing(answer, Charge(own=20, indexes=20)) == pytest.approx(units)


def test_what_is_only_read_takes_nothing() -> None:
    assert owing(consumed(0.5), FREE) == pytest.approx(0)


def test_what_was_not_written_is_given_back_and_not_settled_besides() -> None:
    one, charge = budget(Clock()), Charge(20, 20)
    one.take("t", charge)
    told = {"ConsumedCapacity": [{"TableName": "t", "CapacityUnits": 20.0}], "UnprocessedItems": {"t": ["half"]}}
    one.settle("t", charge, Answer(told))
    one.give_back("t", Charge(10, 10))
    assert left(one) == pytest.approx(20)


def test_a_throttled_request_lowers_the_pace() -> None:
    one = budget(Clock())
    one.settle("t", Charge(1), Refusal("ProvisionedThroughputExceededException", "", passing=True))
    assert one.seconds_until("t", Charge(8)) == pytest.approx(0.1)


def test_tasks_of_one_run_in_one_process_share_a_budget() -> None:
    one = Allowance("run", {"t": 100}, {"t": TARIFF})
    assert one.budget() is Allowance("run", {"t": 100}, {"t": TARIFF}).budget()
    assert one.budget() is not Allowance("another", {"t": 100}, {"t": TARIFF}).budget()


def test_a_body_that_asks() -> None:
    assert asking(b'{"TableName":"t"}') == b'{"TableName":"t","ReturnConsumedCapacity":"TOTAL"}'
