"""A sample of the buckets: always the same, nested, spread."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from pipelines.diff.sample import sampled_buckets, share_of, too_few
from pipelines.errors import UsageError

pytestmark = pytest.mark.unit

SHARES = [Decimal(share) for share in ("1E-9", "0.015625", "0.1", "0.25", "0.3333333333333333333333333", "0.5", "1")]


@pytest.mark.parametrize("text", ["0", "-0.1", "1.0001", "2", "nan", "snan", "inf", "half", "", "10%", "1/2"])
def test_a_share_is_above_0_and_up_to_1(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--sample .*: give a share above 0 and up to 1, 0\.1 for a tenth"):
        share_of(text)


def test_shares() -> None:
    assert share_of(None) is None
    assert share_of("0.1") == Decimal("0.1")
    assert share_of("1") == 1


@pytest.mark.parametrize("buckets", [1, 7, 64, 4096])
def test_a_larger_share_has_all_of_a_smaller_one(buckets: int) -> None:
    samples = [sampled_buckets(share, buckets) for share in SHARES]
    for smaller, larger in pairwise(samples):
        assert set(smaller) <= set(larger)
    assert samples[-1] == tuple(range(buckets))
    for share, sample in zip(SHARES, samples, strict=True):
        assert list(sample) == sorted(set(sample))
        assert share <= Decimal(len(sample)) / buckets < share + Decimal(1) / buckets


def test_which_they_are_never_changes() -> None:
    """A verification next month must compare the same keys."""
    assert sampled_buckets(Decimal("0.1"), 64) == (6, 7, 24, 29, 36, 49, 63)


def test_the_smallest_share_of_all_is_one_bucket() -> None:
    """As a fraction it would have more digits than there is memory for."""
    least = share_of("1E-999999999999999999")
    assert least is not None
    assert (sampled_buckets(least, 64), too_few(1, 64, least)) == (sampled_buckets(Decimal("0.01"), 64), ())


def test_they_are_not_the_first_ones() -> None:
    chosen = sampled_buckets(Decimal("0.25"), 4096)
    quarters = [sum(low <= bucket < low + 1024 for bucket in chosen) for low in range(0, 4096, 1024)]
    assert all(200 < count < 312 for count in quarters), quarters


@pytest.mark.parametrize(
    ("compared", "least", "reasons"),
    [
        (64, "1", ()),
        (63, "1", ("63 of 64 buckets compared, the mapping asks for all",)),
        (32, "0.5", ()),
        (31, "0.5", ("31 of 64 buckets compared, the mapping asks for 0.5",)),
        (1, "0.015625", ()),
        (1, "0.0156250000000000000000000000001", ("1 of 64 buckets compared, the mapping asks for 0.01562500",)),
    ],
)
def test_how_much_is_enough_the_mapping_says(compared: int, least: str, reasons: tuple[str, ...]) -> None:
    found = too_few(compared, 64, Decimal(least))
    assert len(found) == len(reasons)
    assert all(one.startswith(words) for one, words in zip(found, reasons, strict=True))
