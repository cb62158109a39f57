"""The part of the mapping's grammar that says when verification runs, what it lets pass, and which runs are kept."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, WithJsonSchema
from pydantic_core import PydanticCustomError

from pipelines.mapping.target_model import Count, Model, Name, Positive


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise PydanticCustomError("zone", "not a time zone; write UTC, or Europe/Berlin") from None


def _coverage(value: object) -> object:
    if value == "full" or (isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 < value <= 1):
        return value
    raise PydanticCustomError("coverage", "`full` is wanted, or a share above 0 and up to 1, 0.25")


def _cron(line: str) -> str:
    if len(line.split()) != 5:
        raise PydanticCustomError("cron", "not a cron line; it has five fields, 0 2 * * *")
    return line


Coverage = Annotated[
    Literal["full"] | StrictInt | Decimal,
    BeforeValidator(_coverage),
    WithJsonSchema({"anyOf": [{"const": "full"}, {"type": "number", "exclusiveMinimum": 0, "maximum": 1}]}),
]


class Thresholds(Model):
    rejected: Count = Field(default=0, description="So many rejected rows do not make a verification fail.")
    accepted: Count | None = Field(
        default=None, description="So many items may differ in an accepted way; without it, any number."
    )


class Checks(Model):
    """When verification runs, and what it lets pass."""

    schedule: Annotated[Name, AfterValidator(_cron)] | None = Field(
        default=None, description="Cron line of the nightly verification."
    )
    time_zone: Annotated[Name, AfterValidator(_zone)] = Field(
        default="UTC", description="The schedule's time zone, Europe/Berlin."
    )
    settle_seconds: Count = Field(
        default=5, description="Without a ledger a difference counts once it has stood for so long."
    )
    rereads: Count = Field(
        default=3, description="How often a difference that does not stand still is read again; then it is in flight."
    )
    thresholds: Thresholds = Field(default=Thresholds(), description="What a verification lets pass.")
    coverage: Coverage = Field(
        default="full", description="The share of the buckets that must be compared: full, or 0.25."
    )
    lag_limit_seconds: Count = Field(
        default=300, description="For so many seconds an item may be undelivered before it is too late."
    )

    @property
    def least_coverage(self) -> Decimal:
        """Of the buckets, above 0 and up to 1."""
        return Decimal(1) if self.coverage == "full" else Decimal(self.coverage)


class Retention(Model):
    """How many runs `crossover prune` keeps; all of a kind that is not named."""

    snapshots: Positive | None = Field(
        default=None, description="So many snapshots are kept, the newest, with their records and dumps."
    )
    diffs: Positive | None = Field(default=None, description="So many diffs are kept, the newest, with their reports.")
