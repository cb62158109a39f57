from __future__ import annotations

import pyarrow as pa
import pytest

from pipelines.target.forecast import Forecast, forecast

pytestmark = pytest.mark.unit


def rows(*tables_and_sizes: tuple[str, int]) -> pa.Table:
    schema = pa.schema([("table", pa.string()), ("size", pa.int64())])
    return pa.Table.from_pylist([{"table": table, "size": size} for table, size in tables_and_sizes], schema)


def test_a_unit_for_each_kilobyte_begun_in_the_table_and_in_each_index() -> None:
    found = forecast(rows(("a", 1), ("a", 1011), ("a", 1012), ("b", 5000)), {"a": 2, "b": 0})
    assert found == Forecast(records=4, bytes=7024, units={"a": (1 + 1 + 2) * 3, "b": 5})
    assert found.write_units == 17


def test_no_rows_cost_nothing() -> None:
    assert forecast(rows(), {}) == Forecast()
