"""`--rcu`: what scanning consumes, as another counts it, is within the budget over any five seconds, and near it.

Time is the test's: it goes by where something is waited for, and nowhere else.
"""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass
from typing import Any, cast

import pytest

from pipelines.target.budget import Budget
from pipelines.target.page_pace import PagePace
from pipelines.target.retry import RetryPolicy
from pipelines.target.scan import Scanner
from pipelines.target.wire import Answer, Refusal, Wire
from tests.capacity_account import CapacityAccount
from tests.scanned_table import ScannedTable

pytestmark = pytest.mark.unit

TABLE = "shop"
PAGE_UNITS = 257  # 1 MB, and the item that exceeds it
THROTTLED = Refusal("ProvisionedThroughputExceededException", "slow down", passing=True)


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


@dataclass
class SlowWire:
    """An answer takes `seconds`; the table acts when half of that is over. Every `throttles`-th is refused."""

    table: ScannedTable
    time: Time
    seconds: float = 0.01
    throttles: int = 0
    endpoint: str = "http://127.0.0.1:1"
    calls: int = 0

    def call(self, action: str, body: bytes) -> Answer | Refusal:
        self.calls += 1
        self.time.seconds += self.seconds / 2
        refused = self.throttles and self.calls % self.throttles == 0
        answer = THROTTLED if refused else Answer(self.table.scan(json.loads(body)))
        self.time.seconds += self.seconds / 2
        return answer


def items(sizes: list[int]) -> list[dict[str, Any]]:
    return [{"body": {"S": "x" * (size - 4)}} for size in sizes]


def scanned(
    sizes: list[int], rcu: float, *, average: float | None, tells: str = "truth", segments: int = 1, throttles: int = 0
) -> tuple[CapacityAccount, SlowWire]:
    time = Time()
    account = CapacityAccount({TABLE: ()}, clock=time.now)
    wire = SlowWire(ScannedTable(TABLE, items(sizes), account, tells), time, throttles=throttles)
    budget = Budget({TABLE: rcu}, {}, time.now)
    found = 0
    for number in range(segments):
        pace = PagePace(budget, TABLE, average, time.sleep)
        scanner = Scanner(cast(Wire, wire), RetryPolicy(), time.sleep, pace)
        found += sum(len(page) for page in scanner.pages(TABLE, number, segments))
    assert found == len(sizes)
    return account, wire


def mixed(count: int) -> list[int]:
    """One of a hundred is large, and they come together now and then."""
    dice = random.Random(7)
    return [
        dice.choice((40_000, 400_000)) if dice.random() < 0.01 else dice.randrange(100, 2_000) for _ in range(count)
    ]


SHAPES = {
    "tiny": [120] * 50_000,
    "small": [500] * 60_000,
    "of a unit": [4_096] * 60_000,
    "large": [100 * 1024] * 500,
    "as large as can be": [400 * 1024] * 130,
    "mixed": mixed(40_000),
}


@pytest.mark.parametrize(
    ("shape", "rcu", "tells"),
    [
        *((shape, 20, "truth") for shape in SHAPES if shape != "mixed"),
        *((shape, 500, "truth") for shape in SHAPES if shape != "tiny"),
        ("of a unit", 4_000, "truth"),
        ("small", 100, "nothing"),
        ("small", 100, "one"),
    ],
)
def test_the_budget_is_kept_and_used(shape: str, rcu: int, tells: str) -> None:
    """A tenth more at most, or one item; where items are unlike, what a page can be mistaken by on top."""
    sizes = SHAPES[shape]
    most_bytes = rcu * 12 * 4096
    total = 0
    count = next((n for n, size in enumerate(sizes) if (total := total + size) > most_bytes), len(sizes))
    sizes = sizes[:count]
    account, _ = scanned(sizes, rcu, average=sum(sizes) / len(sizes), tells=tells)
    within = max(0.1 * 5 * rcu, -(-max(sizes) // 4096))
    if shape == "mixed":
        within += PAGE_UNITS
    assert account.most_in_a_window(TABLE) <= 5 * rcu + within
    if sum(entry.units for entry in account.entries) > 5.5 * rcu:
        assert account.used(TABLE, rcu) >= 0.9


@pytest.mark.parametrize("average", [None, 200.0, 50_000.0])
def test_a_wrong_average_is_found_out(average: float | None) -> None:
    """A page that is dearer than it was taken for is paid back before the next."""
    account, wire = scanned([8_000] * 3_000, 100, average=average)
    assert account.most_in_a_window(TABLE) <= 5 * 100 + PAGE_UNITS
    assert sum(entry.units for entry in account.entries) <= 100 * wire.time.seconds + 0.25 * 100 + PAGE_UNITS
    assert max(entry.units for entry in account.entries[5:]) <= 100 / 8 + 2


def test_items_that_grow_are_asked_for_in_smaller_pages_at_once_and_back_by_twice_as_many() -> None:
    account, wire = scanned([500] * 4_000 + [60_000] * 40 + [500] * 4_000, 400, average=500)
    limits = [request["Limit"] for request in wire.table.requests]
    assert limits[0] == int(400 / 8 * 4096 / 500)
    assert min(limits) == int(400 / 8 * 4096 / 60_000)
    assert all(later <= 2 * sooner + 1 for sooner, later in itertools.pairwise(limits))
    assert sum(entry.units > 400 / 8 + 1 for entry in account.entries) <= 2  # those that met them first


def test_segments_of_a_process_share_the_budget() -> None:
    account, _ = scanned([2_000] * 10_000, 200, average=2_000, segments=40)
    assert account.most_in_a_window(TABLE) <= 5 * 200 * 1.1
    assert account.used(TABLE, 200) >= 0.9


def test_pages_are_strongly_consistent_and_never_above_what_the_budget_has_in_an_eighth_of_a_second() -> None:
    account, wire = scanned([500] * 20_000, 80, average=500)
    assert all(request["ConsistentRead"] for request in wire.table.requests)
    assert max(entry.units for entry in account.entries) <= 80 / 8 + 1


def test_throttling_slows_down_with_full_jitter_and_is_charged_each_time() -> None:
    """Of three requests one is refused, and nothing is taken from the table by it: what was sent stays charged."""
    steady, calm = scanned([2_000] * 6_000, 200, average=2_000)
    account, wire = scanned([2_000] * 6_000, 200, average=2_000, throttles=3)
    assert len(account.entries) == len(steady.entries)
    assert wire.time.seconds > 2 * calm.time.seconds
    jitter = [pause for pause in wire.time.pauses if pause not in calm.time.pauses]
    assert len({round(pause, 6) for pause in jitter}) > 10
    assert account.most_in_a_window(TABLE) <= 5 * 200


def test_without_a_budget_nothing_is_asked_of_it() -> None:
    time = Time()
    wire = SlowWire(ScannedTable(TABLE, items([500] * 10), CapacityAccount({TABLE: ()}, clock=time.now)), time)
    assert len(list(Scanner(cast(Wire, wire)).pages(TABLE, 0, 1))) == 1
    assert wire.table.requests == [{"TableName": TABLE, "ConsistentRead": True, "Segment": 0, "TotalSegments": 1}]
