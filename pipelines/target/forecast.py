"""What writing records will cost, from their sizes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.items.size import VERSION_BYTES
from pipelines.target.prices import home_prices


@dataclass(frozen=True)
class Forecast:
    """`bytes`: item sizes by DynamoDB's rules. `units`: write capacity units of each table, its indexes' included; at
    most, for an index may hold fewer items, or smaller."""

    records: int = 0
    bytes: int = 0
    units: Mapping[str, int] = field(default_factory=dict)

    @property
    def write_units(self) -> int:
        return sum(self.units.values())

    def __add__(self, other: Forecast) -> Forecast:
        units = Counter(self.units) + Counter(other.units)
        return Forecast(self.records + other.records, self.bytes + other.bytes, dict(units))

    def cost_usd(self, usd_per_million_units: float | None = None) -> float:
        """On demand; us-east-1's price unless given."""
        price = home_prices().write_request_million if usd_per_million_units is None else usd_per_million_units
        return self.write_units * price / 1_000_000

    def seconds(self, units_per_second: Mapping[str, float | None]) -> float | None:
        """How long the tables take, side by side. None where it is not known of one of them how fast it may be."""
        longest = 0.0
        for table, units in self.units.items():
            speed = units_per_second[table]
            if speed is None:
                return None
            longest = max(longest, units / speed)
        return longest


def forecast(rows: pa.Table, indexes: Mapping[str, int]) -> Forecast:
    """Of records with the columns `table` and `size`; `indexes` is how many each table has.

    One unit for each KB begun, in the table and in each index:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    """
    units: dict[str, int] = {}
    for table in pc.unique(rows["table"]).to_pylist():
        sizes = rows.filter(pc.equal(rows["table"], table))["size"]
        kilobytes = pc.divide(pc.add(sizes, VERSION_BYTES + 1023), 1024)
        units[table] = pc.sum(kilobytes).as_py() * (1 + indexes[table])
    return Forecast(rows.num_rows, pc.sum(rows["size"]).as_py() or 0, units)
