"""The text that stands for a number of any length where Spark sorts."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from pipelines.mapping.bulk_order import number_order_text

pytestmark = pytest.mark.unit

ASCENDING = [
    *("-Infinity", "-1" + "0" * 200, "-100.5", "-100", "-15", "-1.55", "-1.5", "-1", "-0.05", "-0.005", "0"),
    *("0.005", "0.05", "0.1", "1", "1.5", "1.55", "9.9", "10", "100", "1" + "0" * 200, "Infinity", "NaN"),
]


def test_numbers_sort_as_postgresql_sorts_them() -> None:
    shuffled = random.Random(1).sample(ASCENDING, len(ASCENDING))
    assert sorted(shuffled, key=number_order_text) == ASCENDING


def test_equal_numbers_have_equal_texts() -> None:
    assert len({number_order_text(text) for text in ("0", "0.00", "-0", "0E+5")}) == 1
    assert len({number_order_text(text) for text in ("-1.50", "-1.5", "-1.5e0", "-0.15e+1")}) == 1


def test_random_numbers_sort_by_value() -> None:
    choose = random.Random(2)
    numbers = [f"{choose.choice(['', '-'])}{choose.randint(0, 10**9)}e{choose.randint(-12, 12)}" for _ in range(2000)]
    by_text = [Decimal(text) for text in sorted(numbers, key=number_order_text)]
    assert by_text == sorted(by_text)
