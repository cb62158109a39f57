"""The source key that a key tells, read back from it."""

from __future__ import annotations

import pytest

from pipelines.mapping.key_owner import key_names_row
from pipelines.mapping.key_source import KeyReader
from tests.unit.mapping.small_catalog import compiled

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("table", "source", "template", "key", "source_key"),
    [
        ("shop", "orders", '{pk: "C#{customer_id}", sk: "O#{order_id}"}', ("C#7", "O#-6"), '{"order_id":"-6"}'),
        ("shop", "orders", '{pk: "C#{order_id:010}", sk: "x"}', ("C#0000000060", "x"), '{"order_id":"60"}'),
        ("shop", "orders", '{pk: "C#{order_id:03}", sk: "x"}', ("C#000", "x"), '{"order_id":"0"}'),
        ("shop", "orders", '{pk: "C#{order_id:03}", sk: "x"}', ("C#00A", "x"), None),
        ("numbers", "orders", '{n: "{order_id}"}', ("6",), '{"order_id":"6"}'),
        ("shop", "lines", '{pk: "O#{order_id}", sk: "{line_no}"}', ("O#6", "2"), '{"order_id":"6","line_no":"2"}'),
        ("shop", "lines", '{pk: "O#{order_id}", sk: "{line_no}"}', ("P#6", "2"), None),
        ("shop", "orders", '{pk: "C#{customer_id}", sk: "x"}', ("C#7", "x"), None),
        ("plain", "orders", '{key: "{status:esc}/{order_id}"}', ("a%2Fb/6",), '{"order_id":"6"}'),
    ],
)
def test_a_key_tells_its_source_key(
    table: str, source: str, template: str, key: tuple[str, ...], source_key: str | None
) -> None:
    (item,) = compiled(f"  one:\n    table: {table}\n    from: {source}\n    key: {template}\n").items
    parts = (f'"{part.name}":{{"{part.type}":"{text}"}}' for part, text in zip(item.key, key, strict=True))
    assert KeyReader(item).source_key(f"{{{','.join(parts)}}}") == source_key
    assert source_key is None or key_names_row(item)
