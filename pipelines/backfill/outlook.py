"""What `--dry-run` says: how much would be written, what that costs and how long it takes."""

from __future__ import annotations

import math
from datetime import timedelta

from pipelines.command import CommandResult
from pipelines.errors import UsageError
from pipelines.mapping.model import Mapping, Provisioned
from pipelines.migration import Migration
from pipelines.target.capacity import Kind, Units
from pipelines.target.forecast import USD_PER_MILLION_UNITS, Forecast


def outlook(migration: Migration, forecast: Forecast, wcu: str | None, price: float | None) -> CommandResult:
    """At `wcu`, or else at the write capacity that the mapping gives the tables: DynamoDB is not asked. `price`: USD of
    a million units.

    Raises UsageError, and TargetError where a share is asked for of a table on demand.
    """
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise UsageError(
            f"--price {price}: give the USD that a million write request units cost, {USD_PER_MILLION_UNITS}"
        )
    price = USD_PER_MILLION_UNITS if price is None else price
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


def _mapped_units(mapping: Mapping) -> dict[str, int | None]:
    """What the mapping gives each table; None on demand."""
    tables = mapping.target.tables.items()
    return {name: one.billing.write if isinstance(one.billing, Provisioned) else None for name, one in tables}


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not known, for a table is on demand; --wcu N sets its pace"
    return f"{timedelta(seconds=math.ceil(seconds))} at least"
