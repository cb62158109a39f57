from __future__ import annotations

import pytest

from pipelines.items.bucket import bucket_of

pytestmark = pytest.mark.unit

SPARK_HASH_OF_NOTHING = -7444071767201028348  # SELECT xxhash64('')


@pytest.mark.parametrize("buckets", [1, 7, 64, 1000])
def test_the_bucket_is_sparks(buckets: int) -> None:
    assert bucket_of("", buckets) == SPARK_HASH_OF_NOTHING % buckets


def test_keys_spread_over_all_buckets() -> None:
    assert {bucket_of(f'{{"pk":{{"S":"ORDER#{n}"}}}}', 64) for n in range(2000)} == set(range(64))
