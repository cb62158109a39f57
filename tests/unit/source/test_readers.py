from __future__ import annotations

import os

import pytest

from pipelines.errors import UsageError
from pipelines.source.readers import reader_count

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("16", 16), (" 3 ", 3), ("08", 8)])
def test_as_many_readers_as_are_asked_for(text: str, count: int) -> None:
    assert reader_count({"CROSSOVER_READERS": text}) == count


@pytest.mark.parametrize("text", ["0", "17", "-1", "2.0", "two", "²", "9" * 5000])
def test_any_other_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"CROSSOVER_READERS=.*from 1 to 16"):
        reader_count({"CROSSOVER_READERS": text})


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 2), (4, 4), (64, 4)])
def test_unasked_one_for_each_core_up_to_four(monkeypatch: pytest.MonkeyPatch, cores: int, count: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert reader_count({}) == count
