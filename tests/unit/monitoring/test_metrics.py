"""What is measured: of relays, of verifications, of whatever counts; every measure stands in the documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.monitoring.alarms import Watched
from pipelines.monitoring.latencies import Latencies
from pipelines.monitoring.measures import UNDELIVERED_ITEMS
from pipelines.monitoring.metric import Distribution, Metric, Unit
from pipelines.monitoring.relay import counted, relay_metrics
from pipelines.monitoring.verification import verification_metrics
from pipelines.warehouse.manifest import Verdicts
from tests.every_measure import MEASURES

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs" / "monitoring.md"


@dataclass(frozen=True)
class One:
    item_type: str
    undelivered: int = 0
    leased: int = 0
    failing: int = 0
    set_apart: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class All:
    item_types: tuple[One, ...]
    marks: int = 0
    oldest_seconds: float | None = None
    paused: bool = False
    relays: tuple[str, ...] = ()


def values(metrics: list[Metric]) -> dict[tuple[str, str | None], float]:
    return {
        (one.measure.name, one.item_type or one.verdict): one.value
        for one in metrics
        if not isinstance(one.value, Distribution)
    }


def test_a_relay_s() -> None:
    health = All((One("order", 3, 1, 2, 1, 0), One("customer", 4, 0, 0, 0, 5)), 6, 7.5, True, ("a", "b"))
    counts = {"written": 1, "tombstoned": 2, "done": 4, "superseded": 8, "conflict": 16, "unknown": 32, "settled": 64}
    found = values(relay_metrics(health, counts, None))
    assert found["UndeliveredItems", "order"] == 3
    assert found["UndeliveredItems", None] == 7
    assert found["SetApartItems", None] == 1
    assert found["RejectedItems", "customer"] == 5
    assert found["OldestUndeliveredSeconds", None] == 7.5
    assert (found["OpenMarks", None], found["RelaysAlive", None], found["RelayPaused", None]) == (6, 2, 1)
    assert (found["Delivered", None], found["Superseded", None], found["Conflicts", None]) == (7, 8, 16)
    assert found["FailedDeliveries", None] == 48


def test_nothing_undelivered_is_no_lag() -> None:
    assert values(relay_metrics(All(()), {}, None))["OldestUndeliveredSeconds", None] == 0


def test_a_verification_s() -> None:
    found = values(verification_metrics(Verdicts(match=9, missing=1).model_dump(), False))
    assert found["VerifiedItems", "missing"] == 1
    assert found["VerifiedItems", "stale"] == 0
    assert len([name for name, _ in found if name == "VerifiedItems"]) == 13
    assert (found["Consistent", None], found["VerificationFailed", None]) == (0, 0)


def test_whatever_counts() -> None:
    (one,) = counted("DualWrite", {"left_to_relay": 2})
    assert (one.measure.name, one.value, one.measure.unit) == ("DualWriteLeftToRelay", 2, Unit.COUNT)


def test_dimensions_are_ascii() -> None:
    assert Metric(UNDELIVERED_ITEMS, 1, item_type="café").dimensions("shop") == {
        "Migration": "shop",
        "ItemType": "caf\\xe9",
    }


@given(st.lists(st.floats(0.001, 900_000), min_size=1, max_size=300))
def test_latencies_are_kept_to_a_tenth(seconds: list[float]) -> None:
    latencies = Latencies()
    for one in seconds:
        latencies.add(one)
    found = latencies.take()
    assert found is not None
    assert found.count == len(seconds)
    sample = found.sample(len(seconds))
    assert all(abs(kept - one) <= one / 10 + 1e-9 for kept, one in zip(sample, sorted(seconds), strict=True))
    assert latencies.take() is None


def test_latencies_beyond_all_bounds_are_counted() -> None:
    latencies = Latencies()
    for one in (-1.0, 0.0, 1e-9, 1e9):
        latencies.add(one)
    found = latencies.take()
    assert found == Distribution((0.001, 1e6), (3, 1))


def test_a_sample_has_both_ends() -> None:
    found = Distribution((1.0, 2.0, 3.0), (1, 1000, 1)).sample(100)
    assert (found[0], found[-1], len(found)) == (1.0, 3.0, 100)


def test_the_page_has_every_measure_and_alarm() -> None:
    text = PAGE.read_text()
    named = dict(re.findall(r"^\| `(\w+)` \| (Count|Seconds|None) \|", text, re.MULTILINE))
    assert named == {one.name: one.unit.value for one in MEASURES}
    _, _, of_alarms = text.partition("\n## Alarms\n")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", of_alarms, re.MULTILINE)) == {one.value for one in Watched}
