from __future__ import annotations

import pytest

from expectations.trend import HEIGHT, RUNS, SLOT, TrendRun, trend_of
from pipelines.diff.standing import Standing
from tests.unit.expectations.history import night

pytestmark = pytest.mark.unit


def run(wrong: int, standing: Standing = Standing.INCONSISTENT) -> TrendRun:
    return TrendRun(f"run-{wrong}", standing, night(0), wrong=wrong, undecided=0, items=10_000_000)


GOOD = run(0, Standing.CONSISTENT)
UNREAD = TrendRun("unread", Standing.UNREADABLE)


def test_the_newest_is_at_the_right_edge_however_many_there_are() -> None:
    for number in (1, 7, RUNS, RUNS + 9):
        trend = trend_of([run(n + 1) for n in range(number)])
        assert len(trend.bars) == min(number, RUNS)
        assert trend.bars[-1].run.wrong == number
        assert trend.width - SLOT < trend.bars[-1].x < trend.width
        assert trend.bars[0].x >= 0


def test_bars_stand_on_the_ground_and_fit() -> None:
    trend = trend_of([GOOD, UNREAD, run(1), run(9_999_999)])
    assert all(bar.y + bar.height == HEIGHT and bar.y >= 0 for bar in trend.bars)


def test_one_wrong_item_is_seen_beside_millions() -> None:
    good, one, some, millions = trend_of([GOOD, run(1), run(300), run(9_999_999)]).bars
    assert good.height < one.height < some.height < millions.height
    assert some.height > HEIGHT / 4


def test_what_says_neither_yes_nor_no_is_not_as_low_as_a_good_run() -> None:
    good, unread, undecided = trend_of([GOOD, UNREAD, run(0, Standing.UNDECIDED)]).bars
    assert good.height < unread.height == undecided.height


def test_it_is_told_in_words() -> None:
    trend = trend_of([GOOD, GOOD, UNREAD, run(1_200)])
    told = "The last 4 runs: 1 not consistent, 1 cannot be read, 2 consistent; at most 1,200 wrong items."
    assert trend.words == told
    assert trend.runs[-1].words == "24 Nov 08:50: not consistent, 1,200 wrong of 10,000,000"
    assert trend.runs[-2].words == "unread: cannot be read"
    assert trend_of([]).bars == ()
    assert trend_of([run(1)]).words == "The last run: 1 not consistent; at most 1 wrong item."
