"""Which keys tell whose item they are, so that items need not bear it."""

from __future__ import annotations

import pytest

from pipelines.mapping.key_owner import key_names_row
from tests.unit.mapping.small_catalog import compiled

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("names", "table", "source", "key"),
    [
        (True, "shop", "orders", '{pk: "C#{customer_id}", sk: "O#{order_id}"}'),
        (True, "shop", "orders", '{pk: "C#{order_id:010}", sk: "x"}'),
        (True, "numbers", "orders", '{n: "{order_id}"}'),
        (True, "shop", "lines", '{pk: "O#{order_id}", sk: "{line_no}"}'),
        (False, "shop", "lines", '{pk: "O#{order_id}", sk: "x"}'),
        (False, "shop", "orders", '{pk: "C#{customer_id}", sk: "x"}'),
        (False, "shop", "orders", '{pk: "O#{order_id:mod16}", sk: "x"}'),
        (False, "plain", "customers", '{key: "{email:lower}"}'),
    ],
)
def test_a_key_names_its_row_where_every_column_of_the_source_key_can_be_read_in_it(
    names: bool, table: str, source: str, key: str
) -> None:
    (item,) = compiled(f"  one:\n    table: {table}\n    from: {source}\n    key: {key}\n").items
    assert key_names_row(item) is names
