"""What reads, writes, storage, a backfill and a nightly check cost. Pure.

Storage and exports are billed with 100 bytes for each item more than it holds, in the table and in each index:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pipelines.assess.design import BackfillEstimate, Money, NightlyEstimate, PatternEstimate
from pipelines.assess.estimates.measured import Measured, TypeMeasured
from pipelines.assess.estimates.tally import READ_BYTES
from pipelines.mapping.model import Provisioned, TargetTable
from pipelines.target.prices import GIB, RegionPrices

HOURS_A_MONTH = 730
UTILISATION = 0.7
ITEM_OVERHEAD = 100

NEW_TABLE_WRITES = 4_000.0
"""Write units a second that a new table on demand takes at once.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"""

_SECONDS_A_MONTH = HOURS_A_MONTH * 3600


def money(patterns: Sequence[PatternEstimate], stored_gb: float, prices: RegionPrices) -> Money:
    storage = stored_gb * prices.storage_gb_month
    reads = _total(one.read_units_per_second for one in patterns)
    writes = _total(one.write_units_per_second for one in patterns)
    if reads is None or writes is None:
        return Money(
            on_demand_monthly=None,
            provisioned_monthly=None,
            provisioned_read=None,
            provisioned_write=None,
            storage_monthly=storage,
        )
    read, write = _provisioned(reads), _provisioned(writes)
    a_second = (reads * prices.read_request_million + writes * prices.write_request_million) / 1_000_000
    an_hour = read * prices.read_capacity_hour + write * prices.write_capacity_hour
    return Money(
        on_demand_monthly=a_second * _SECONDS_A_MONTH,
        provisioned_monthly=an_hour * HOURS_A_MONTH,
        provisioned_read=read,
        provisioned_write=write,
        storage_monthly=storage,
    )


def stored_bytes(types: Iterable[TypeMeasured]) -> tuple[float, float]:
    """As billed: of the tables, and of their indexes."""
    own = indexes = 0.0
    for one in types:
        own += one.items * (one.sizes.mean_bytes + ITEM_OVERHEAD)
        indexes += one.items * (one.sizes.index_bytes + one.sizes.copies * ITEM_OVERHEAD)
    return own, indexes


def backfills(measured: Measured, prices: RegionPrices) -> tuple[BackfillEstimate, ...]:
    """Of new tables; whatever is there already is refused at the same price. Tables are written side by side."""
    units: dict[str, float] = {}
    objects = items = 0.0
    for one in measured.types.values():
        units[one.plan.table] = units.get(one.plan.table, 0.0) + one.items * one.sizes.backfill_units
        objects += one.items * one.sizes.object_bytes
        items += one.items
    speeds = {name: _speed(measured.tables[name]) for name in units}
    written = sum(units.values())
    by_units = [
        BackfillEstimate(
            mode=mode,
            items=round(items),
            write_units=written,
            write_units_per_second=sum(speeds.values()),
            seconds=max((count / speeds[name] for name, count in units.items()), default=0.0),
            usd=written * prices.write_request_million / 1_000_000,
        )
        for mode in ("live", "cold")
    ]
    imported = BackfillEstimate(
        mode="import",
        items=round(items),
        write_units=0.0,
        write_units_per_second=None,
        seconds=None,
        usd=objects / GIB * prices.import_gb,
    )
    return (*by_units, imported)


def nightly(types: Iterable[TypeMeasured], prices: RegionPrices) -> tuple[NightlyEstimate, ...]:
    """Crossover's scan is strongly consistent: a unit for each 4 KB. An export takes no units."""
    known = list(types)
    scanned = sum(one.items * one.sizes.mean_bytes for one in known)
    exported, _ = stored_bytes(known)
    units = float(math.ceil(scanned / READ_BYTES))
    return (
        NightlyEstimate(
            way="scan",
            read_units=units,
            gigabytes=scanned / GIB,
            usd=units * prices.read_request_million / 1_000_000,
        ),
        NightlyEstimate(way="export", read_units=0.0, gigabytes=exported / GIB, usd=exported / GIB * prices.export_gb),
    )


def _total(rates: Iterable[float | None]) -> float | None:
    """None where one is not known, or there are none."""
    known = list(rates)
    found = [rate for rate in known if rate is not None]
    return sum(found) if found and len(found) == len(known) else None


def _provisioned(rate: float) -> int:
    return max(math.ceil(rate / UTILISATION - 1e-9), 1)


def _speed(table: TargetTable) -> float:
    return float(table.billing.write) if isinstance(table.billing, Provisioned) else NEW_TABLE_WRITES
