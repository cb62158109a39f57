from __future__ import annotations

from collections.abc import Callable

import pytest

from expectations.assessment import figures
from expectations.assessment.words import WARNINGS
from pipelines.assess.design import WarningKind

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("told", "value", "words"),
    [
        (figures.usd, None, "not known"),
        (figures.usd, 0, "$0.00"),
        (figures.usd, 0.004, "under $0.01"),
        (figures.usd, 12.345, "$12.35"),
        (figures.usd, 1234.5, "$1,234"),
        (figures.share, 0.0, "0%"),
        (figures.share, 0.0004, "under 0.1%"),
        (figures.share, 0.99996, "over 99.9%"),
        (figures.share, 1.0, "100%"),
        (figures.number, 1_234.5, "1,234"),
        (figures.number, 0.123456, "0.123"),
        (figures.number, 12.0, "12"),
        (figures.number, float("inf"), "inf"),
        (figures.size, 1536, "1.5 kB"),
        (figures.rate, 112.4, "112/s"),
        (figures.rate, 0.5, "30 a minute"),
        (figures.rate, 24 / 86_400, "1 an hour"),
        (figures.rate, 1 / 864_000, "0.1 a day"),
        (figures.duration, 0.2, "under 1 s"),
        (figures.duration, 90, "90 s"),
        (figures.duration, 2_600, "43 min"),
        (figures.duration, 86_400 * 9, "9 days"),
        (figures.signed_size, -2048, "-2.0 kB"),
    ],
)
def test_figures_are_short(told: Callable[[object], str], value: object, words: str) -> None:
    assert told(value) == words


def test_every_kind_of_warning_has_words() -> None:
    assert set(WARNINGS) == set(WarningKind)
