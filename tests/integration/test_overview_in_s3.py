"""The page over all migrations in a warehouse in S3: the same, but for links that no browser could open there."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from expectations.overview import write_overview
from expectations.overview_data import Overview
from pipelines.diff.standing import Standing
from pipelines.warehouse.place import Place
from tests.unit.expectations.finished_diff import RUN, FinishedDiff
from tests.unit.expectations.history import MADE_AT, Nights
from tests.unit.expectations.page import Page
from tests.unit.expectations.rich_diff import RICH

pytestmark = pytest.mark.integration

BUCKET = "the-warehouse"


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    nights = Nights(tmp_path / "warehouse")
    nights.root.mkdir()
    nights.migration("billing", FinishedDiff())
    nights.migration("shop", RICH)
    spoilt = nights.migration("spoilt", FinishedDiff(), reported=False)
    (spoilt.diff("20261125T010000-0000000") / "manifest.json").write_atomically("{")
    return nights


def written(warehouse: Place) -> tuple[str, Overview]:
    page, shown = write_overview(warehouse, lambda: MADE_AT)
    return page.read_text(), shown


def test_s3_and_a_disk_tell_the_same(dynamodb_environment: str, nights: Nights) -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    in_s3 = Place.of(f"s3://{BUCKET}/some/prefix")
    for file in sorted(path for path in nights.root.rglob("*") if path.is_file()):
        (in_s3 / file.relative_to(nights.root).as_posix()).write_atomically(file.read_bytes())
    html, shown = written(in_s3)
    _, here = written(nights.place)
    assert [(one.name, one.standing, one.trend) for one in shown.migrations] == [
        (one.name, one.standing, one.trend) for one in here.migrations
    ]
    assert [one.standing for one in shown.migrations] == [
        Standing.INCONSISTENT,
        Standing.UNREADABLE,
        Standing.CONSISTENT,
    ]
    links = [one["href"] for one in Page(html).all("a")]
    assert f"shop/reports/{RUN}/index.html" in links
    assert not [link for link in links if link and link.endswith("differences/")]
    assert f"s3://{BUCKET}/some/prefix/shop/diffs/{RUN}/differences" in Page(html).text
