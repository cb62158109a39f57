"""What `--dry-run` says: how much would be written, what that costs and how long it takes."""

from __future__ import annotations

import math
from datetime import timedelta

from pipelines.backfill.importing.forecast import ImportForecast
from pipelines.command import CommandResult
from pipelines.errors import UsageError
from pipelines.mapping.model import Mapping, Provisioned
from pipelines.migration import Migration
from pipelines.target.capacity import Kind, Units
from pipelines.target.forecast import Forecast
from pipelines.target.prices import home_prices


def outlook(migration: Migration, forecast: Forecast, wcu: str | None, price: float | None) -> CommandResult:
    """At `wcu`, or else at the write capacity that the mapping gives the tables: DynamoDB is not asked. `price`: USD of
    a million units.

    Raises UsageError, and TargetError where a share is asked for of a table on demand.
    """
    price = _price(price, home_prices().write_request_million, "a million write request units cost")
    speeds: dict[str, float | None] = {}
    for table, provisioned in _mapped_units(migration.mapping).items():
        speeds[table] = Units.parse(wcu, Kind.WRITE).of(table, provisioned) if wcu is not None else provisioned
    seconds, cost = forecast.seconds(speeds), forecast.cost_usd(price)
    return CommandResult(
        {
            "records": forecast.records,
            "bytes": forecast.bytes,
            "write_units": forecast.write_units,
            "tables": dict(forecast.units),
            "usd": round(cost, 4),
            "usd_per_million_units": price,
            "units_per_second": dict(speeds),
            "seconds": None if seconds is None else math.ceil(seconds),
        },
        [
            f"would write {forecast.records:,} items, {forecast.bytes:,} bytes, {forecast.write_units:,} write units",
            f"  cost: {cost:,.2f} USD on demand, at {price} USD for a million units",
            f"  duration: {_duration(seconds)}",
        ],
    )


def import_outlook(forecast: ImportForecast, price: float | None) -> CommandResult:
    """`price`: USD of a GB that is imported. Raises UsageError."""
    price = _price(price, home_prices().import_gb, "an import of a GB costs")
    cost = forecast.cost_usd(price)
    return CommandResult(
        {
            "records": forecast.records,
            "object_bytes": forecast.object_bytes,
            "write_units": 0,
            "usd": round(cost, 4),
            "usd_per_gb": price,
            "seconds": None,
        },
        [
            f"would import {forecast.records:,} items of {forecast.object_bytes:,} bytes in S3, uncompressed",
            f"  cost: {cost:,.2f} USD, at {price} USD for a GB; no write units",
            "  duration: not known; DynamoDB says none",
        ],
    )


def _price(asked: float | None, usual: float, what: str) -> float:
    if asked is not None and not (math.isfinite(asked) and asked >= 0):
        raise UsageError(f"--price {asked}: give the USD that {what}, {usual}")
    return usual if asked is None else asked


def _mapped_units(mapping: Mapping) -> dict[str, int | None]:
    """What the mapping gives each table; None on demand."""
    tables = mapping.target.tables.items()
    return {name: one.billing.write if isinstance(one.billing, Provisioned) else None for name, one in tables}


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not known, for a table is on demand; --wcu N sets its pace"
    return f"{timedelta(seconds=math.ceil(seconds))} at least"
