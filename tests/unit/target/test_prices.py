"""The file of prices: dated, checked, and chosen from by region."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.target.forecast import Forecast
from pipelines.target.prices import Prices, RegionPrices, home_prices, published_prices, read_prices, tag_of

pytestmark = pytest.mark.unit

OWN = """
as_of: 2026-01-02
source: a contract
regions:
  eu-west-9:
    read_request_million: 1
    write_request_million: 2
    read_capacity_hour: 3
    write_capacity_hour: 4
    storage_gb_month: 5
    import_gb: 6
    export_gb: 7
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "prices.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_dry_run_quotes_the_same_file() -> None:
    assert home_prices() == published_prices().regions["us-east-1"]
    assert Forecast(units={"a": 2_000_000}).cost_usd() == 2 * home_prices().write_request_million
    assert published_prices().source.startswith("https://aws.amazon.com/dynamodb/pricing/")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    prices = read_prices(written(tmp_path, OWN))
    assert tag_of(prices, "eu-west-9", {}).prices == RegionPrices(
        read_request_million=1,
        write_request_million=2,
        read_capacity_hour=3,
        write_capacity_hour=4,
        storage_gb_month=5,
        import_gb=6,
        export_gb=7,
    )
    assert str(tag_of(prices, "eu-west-9", {}).as_of) == "2026-01-02"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("import_gb: 6", "import_gb: -6", "regions.eu-west-9.import_gb: input should be greater than or equal to 0"),
        ("import_gb: 6", "import_gb: .inf", "regions.eu-west-9.import_gb: input should be a finite number"),
        ("import_gb: 6", "import_gb: much", "regions.eu-west-9.import_gb: input should be a valid number"),
        ("    import_gb: 6\n", "", "regions.eu-west-9.import_gb: field required"),
        ("import_gb", "imports", "regions.eu-west-9.import_gb: field required"),
        ("as_of: 2026-01-02", "as_of: lately", "as_of: "),
        ("regions:", "regions: {", "no YAML"),
        (OWN, "", "the file: "),
        (OWN, "- 1", "the file: "),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = written(tmp_path, OWN.replace(old, new))
    with pytest.raises(UsageError) as raised:
        read_prices(path)
    assert str(raised.value).startswith(f"--prices {path}: {told}")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_prices(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        read_prices(tmp_path)


def several() -> Prices:
    one = home_prices()
    return Prices(as_of=published_prices().as_of, source="x", regions={"us-east-1": one, "eu-west-9": one})


def test_the_region_is_the_one_asked_for_else_the_variables() -> None:
    assert tag_of(several(), "eu-west-9", {"AWS_REGION": "us-east-1"}).region == "eu-west-9"
    assert tag_of(several(), None, {"AWS_REGION": "eu-west-9"}).region == "eu-west-9"
    assert tag_of(several(), None, {}).region == "us-east-1"


def test_a_region_that_is_not_there() -> None:
    """Asked for, it is an error; of the variable, which others need to be so, it is a note."""
    with pytest.raises(UsageError, match="--region mars-1: no prices of it; there are those of eu-west-9, us-east-1"):
        tag_of(several(), "mars-1", {})
    found = tag_of(several(), None, {"AWS_REGION": "mars-1"})
    assert (found.region, found.note) == (
        "us-east-1",
        "there are no prices of mars-1: these are us-east-1's; --prices FILE gives others",
    )
