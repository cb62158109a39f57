"""Parts share the bucket space out: each bucket is in exactly one, whatever the numbers are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.backfill.part import Part, all_parts, buckets_of
from pipelines.errors import UsageError

pytestmark = pytest.mark.unit


@given(count=st.integers(1, 4096), of=st.integers(1, 64))
def test_each_bucket_is_in_one_part_and_parts_differ_by_one_at_most(count: int, of: int) -> None:
    shares = [list(part.buckets(count)) for part in all_parts(of)]
    assert [bucket for share in shares for bucket in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_part_is_what_its_name_says() -> None:
    assert [str(part) for part in all_parts(3)] == ["1-of-3", "2-of-3", "3-of-3"]
    assert Part.parse("2-of-8") == Part(2, 8)
    assert list(Part(2, 8).buckets(64)) == list(range(8, 16))


@pytest.mark.parametrize("name", ["", "0-of-8", "9-of-8", "1-of-0", "2", "2/8", " 2-of-8", "02-of-8", "2-of-8\n"])
def test_what_is_no_part_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no such part; name one as 3-of-8"):
        Part.parse(name)


def test_only_what_the_run_writes_is_in_its_parts() -> None:
    assert buckets_of([Part(1, 4), Part(4, 4)], [0, 2, 3, 6], 8) == [0, 6]
    assert buckets_of([], [0, 2, 3, 6], 8) == [0, 2, 3, 6]
