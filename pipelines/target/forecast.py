"""What writing records will cost, from their sizes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_OWN_BYTES = 4  # `_v` and its number


@dataclass(frozen=True)
class Forecast:
    """`bytes`: item sizes by DynamoDB's rules. `write_units`: at most; an index may hold fewer items, or smaller."""

    records: int = 0
    bytes: int = 0
    write_units: int = 0

    def __add__(self, other: Forecast) -> Forecast:
        return Forecast(self.records + other.records, self.bytes + other.bytes, self.write_units + other.write_units)


def forecast(rows: pa.Table, indexes: Mapping[str, int]) -> Forecast:
    """Of records with the columns `table` and `size`; `indexes` is how many each table has.

    One unit for each KB begun, in the table and in each index:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    """
    units = 0
    for table in pc.unique(rows["table"]).to_pylist():
        sizes = rows.filter(pc.equal(rows["table"], table))["size"]
        kilobytes = pc.divide(pc.add(sizes, _OWN_BYTES + 1023), 1024)
        units += pc.sum(kilobytes).as_py() * (1 + indexes[table])
    return Forecast(rows.num_rows, pc.sum(rows["size"]).as_py() or 0, units)
