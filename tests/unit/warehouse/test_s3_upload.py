"""What a file that is being written into S3 holds in memory. No request is made before a part is full."""

from __future__ import annotations

import tracemalloc

import pytest

from pipelines.denormalise import MOST_BUCKETS_OPEN
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit


def test_a_file_for_each_bucket_fits_into_a_task() -> None:
    page = bytes(16 << 10)
    files = [
        Place.of(f"s3://the-warehouse/bucket={number}/part.parquet").writing() for number in range(MOST_BUCKETS_OPEN)
    ]
    tracemalloc.start()
    try:
        for _ in range(20):
            for file in files:
                file.sink.write(page)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        for file in files:
            file.abort()
    assert held < 32 << 20
