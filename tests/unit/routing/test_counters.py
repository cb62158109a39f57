"""What is counted, and how it comes into the control table: whole, and as often as one likes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from pipelines.routing.compare import Difference
from pipelines.routing.counters import SAMPLES_AN_HOUR, Counters
from pipelines.routing.histogram import bucket, quantile

pytestmark = pytest.mark.unit


class Now:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def test_an_hour_is_written_whole_each_time_and_only_when_it_changed() -> None:
    now = Now()
    counters = Counters(now)
    counters.add("q", "rds_answers", durations=(("rds", 0.01),))
    first = counters.rows()
    assert counters.rows().rows == first.rows
    counters.forget(first)
    assert counters.rows().rows == ()
    counters.add("q", "rds_answers")
    (row,) = counters.rows().rows
    assert row.key == first.rows[0].key
    assert row.document["counts"] == {"rds_answers": 2}


def test_what_came_while_an_hour_was_written_is_written_next() -> None:
    counters = Counters(Now())
    counters.add("q", "rds_answers")
    written = counters.rows()
    counters.add("q", "rds_answers")
    counters.forget(written)
    assert [row.document["counts"] for row in counters.rows().rows] == [{"rds_answers": 2}]


def test_each_hour_has_a_row_and_past_ones_are_forgotten_once_written() -> None:
    now = Now()
    counters = Counters(now)
    counters.add("q", "rds_answers")
    now.at = now.at.replace(hour=13)
    counters.add("q", "rds_answers")
    written = counters.rows()
    assert [row.key.sk[:20] for row in written.rows] == ["count#2026-03-01T12#", "count#2026-03-01T13#"]
    counters.forget(written)
    assert [name for _, name in counters._hours] == ["2026-03-01T13"]


def test_samples_are_few_and_hold_no_value() -> None:
    counters = Counters(Now())
    for _ in range(SAMPLES_AN_HOUR + 5):
        counters.compared("q", "shadow", (Difference("lines[].price", "value"),))
    counters.compared("q", "noise", (Difference("a", "value"),))
    rows = counters.rows()
    samples = [row for row in rows.rows if row.key.sk.startswith("sample#")]
    assert len(samples) == SAMPLES_AN_HOUR
    assert json.dumps(samples[0].document["differences"]) == '[{"path": "lines[].price", "kind": "value"}]'
    counters.forget(rows)
    assert counters.rows().rows == ()


def test_quantiles_are_a_buckets_upper_bound() -> None:
    durations = [0.0005 * (1 + number) for number in range(1_000)]
    counts: dict[int, int] = {}
    for one in durations:
        counts[bucket(one)] = counts.get(bucket(one), 0) + 1
    for rank in range(10, 1_000, 10):
        exact, told = durations[rank - 1], quantile(counts, rank / 1_000)
        assert told is not None and exact <= told <= exact * 1.19
    assert quantile({}, 0.5) is None
