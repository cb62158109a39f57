"""What an address of the warehouse may be: `S3://bucket` must not quietly become a folder called `S3:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.settings import WAREHOUSE, warehouse_address
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "address", ["S3://my-bucket/x", "s3a://my-bucket/x", "gs://my-bucket/x", "file:///srv/crossover", "s3:/my-bucket/x"]
)
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="`s3://bucket/prefix`"):
        Place.of(warehouse_address({WAREHOUSE: address}))
    with pytest.raises(UsageError, match="`s3://bucket/prefix`"):
        Place.of(address)


def test_folders_with_colons_are_folders(tmp_path: Path) -> None:
    for name in ("a:b", "2026-11-24T08:55", "x:/y"):
        path = tmp_path / name
        assert Place.of(str(path)).local == path
    assert warehouse_address({WAREHOUSE: "~/crossover"}) == str(Path.home() / "crossover")
