"""What DynamoDB costs, by region: one dated file, `prices.yaml`, or one of the user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.errors import UsageError
from pipelines.settings import optional

HOME_REGION = "us-east-1"
AWS_REGION = "AWS_REGION"

GIB = 2**30
"""Bytes of what AWS prices as a GB."""

_MAX_BYTES = 1024 * 1024

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegionPrices(_Frozen):
    """USD, of table class Standard. Requests a million units, capacity a unit and hour, the rest a GB."""

    read_request_million: Usd
    write_request_million: Usd
    read_capacity_hour: Usd
    write_capacity_hour: Usd
    storage_gb_month: Usd
    import_gb: Usd
    export_gb: Usd


class Prices(_Frozen):
    """`source`: where the figures come from."""

    as_of: date
    source: str = Field(min_length=1)
    regions: dict[str, RegionPrices] = Field(min_length=1)


@dataclass(frozen=True)
class Tag:
    """The prices of one region. `note`: says whose they are where they are not those of the region in use."""

    region: str
    as_of: date
    prices: RegionPrices
    note: str | None = None


@cache
def published_prices() -> Prices:
    """Those that Crossover comes with."""
    return Prices.model_validate(yaml.safe_load(files(__package__).joinpath("prices.yaml").read_text("utf-8")))


def home_prices() -> RegionPrices:
    """Of us-east-1, which a dry run quotes unless told a price."""
    return published_prices().regions[HOME_REGION]


def read_prices(path: Path) -> Prices:
    """Raises UsageError, one line with the first thing that is wrong."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--prices {path}: cannot be read ({error.strerror})") from None
    if len(content) > _MAX_BYTES:
        raise UsageError(f"--prices {path}: over {_MAX_BYTES:,} bytes; this is no file of prices")
    try:
        document = yaml.safe_load(content.decode("utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(f"--prices {path}: no YAML; take the form of pipelines/target/prices.yaml") from None
    try:
        return Prices.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        raise UsageError(f"--prices {path}: {place}: {first['msg'].lower()}") from None


def tag_of(prices: Prices, region: str | None, environment: Mapping[str, str] = os.environ) -> Tag:
    """`region`, else AWS_REGION's, else us-east-1's.

    AWS_REGION alone need not be among the prices: then they are us-east-1's, or the file's first, and `note` says so.
    Raises UsageError where `region` is not there.
    """
    wanted = region or optional(AWS_REGION, environment) or HOME_REGION
    if wanted in prices.regions:
        return Tag(wanted, prices.as_of, prices.regions[wanted])
    listed = ", ".join(sorted(prices.regions))
    if region is not None:
        raise UsageError(f"--region {region}: no prices of it; there are those of {listed}; --prices FILE gives others")
    usual = HOME_REGION if HOME_REGION in prices.regions else next(iter(prices.regions))
    note = f"there are no prices of {wanted}: these are {usual}'s; --prices FILE gives others"
    return Tag(usual, prices.as_of, prices.regions[usual], note)
