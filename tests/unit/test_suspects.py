"""Differences come in batches that have room in memory, those of one key together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.diff import suspects
from pipelines.diff.suspects import suspect_batches
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit


def batches(monkeypatch: pytest.MonkeyPatch, keys: str, size: int = 1) -> list[str]:
    """`-` is a row without a key."""

    def rows(*_: Any) -> Iterator[dict[str, Any]]:
        for key in keys:
            yield {"table": "t", "key": None if key == "-" else key, "source_size": size, "target_size": None}

    monkeypatch.setattr(suspects, "_rows", rows)
    return ["".join(row["key"] or "-" for row in batch) for batch in suspect_batches(Place.of(Path("/nowhere")), 0)]


def test_batches_are_bounded_and_keep_a_key_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "BATCH_ROWS", 2)
    assert batches(monkeypatch, "") == []
    assert batches(monkeypatch, "abcde") == ["ab", "cd", "e"]
    assert batches(monkeypatch, "abbbc---") == ["abbb", "c-", "--"]


def test_long_items_make_short_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "BATCH_BYTES", 1000)
    assert batches(monkeypatch, "abcde", size=600) == ["ab", "cd", "e"]


def test_one_key_has_no_batch_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "BATCH_ROWS", 2)
    monkeypatch.setattr(suspects, "LONGEST_BATCH", 3)
    assert batches(monkeypatch, "aaaaaaa") == ["aaa", "aaa", "a"]
